import { terminalLine } from '../../src/core/terminal-line';

const line = (facts: object, hasColours = false): string =>
  terminalLine(JSON.stringify({ level: 'warn', time: new Date().toISOString(), ...facts }), hasColours);

describe('a line of the log on a terminal', () => {
  it('has the time, the level, the message and the other facts', () => {
    expect(line({ msg: 'not ready', check: 'media', error: { code: 'EIO' }, note: 'two words' })).toMatch(
      /^\d\d:\d\d:\d\d WARN {2}not ready {2}check=media error="\{\\"code\\":\\"EIO\\"\}" note="two words"\n$/,
    );
  });

  it('has the stack and the cause of an error below', () => {
    const err = { name: 'Error', message: 'refused', stack: 'Error: refused\n    at x', cause: 'Error: why' };
    expect(line({ msg: 'failed', err })).toMatch(
      / failed\n {4}Error: refused\n {8}at x\n {4}caused by Error: why\n$/,
    );
  });

  it('passes no control characters of the facts to the terminal', () => {
    expect(
      line({ msg: 'a\u001b[31mb', fact: '\u001b]0;x\u0007', err: { message: '\u001b[2J' } }),
    ).not.toMatch(/(?!\n)\p{Cc}/u);
  });

  it('marks the level by a colour if the terminal has any', () => {
    expect(line({ msg: 'm' }, true)).toContain('\u001b[33mWARN \u001b[0m m');
  });
});
