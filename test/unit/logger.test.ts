import { createLogger } from '../../src/core/logger';
import { AnswerLines } from '../../src/http/answer-lines';

/** Returns what a logger writes. */
function logged(log: (logger: ReturnType<typeof createLogger>) => void): string {
  const lines: string[] = [];
  log(createLogger('trace', { write: (line: string) => void lines.push(line) }));
  return lines.join('');
}

describe('the log', () => {
  it('omits extra properties of library errors, such as the statement and its row', () => {
    const driver = Object.assign(new Error('violates check constraint'), {
      code: '23514',
      detail: 'Failing row contains (…, a red bicycle).',
    });
    const error = Object.assign(new Error('violates check constraint', { cause: driver }), {
      query: 'INSERT …',
      parameters: ['a red bicycle'],
      driverError: driver,
    });
    const text = logged((logger) => {
      logger.warn({ err: error }, 'a pass failed');
      logger.child({ modelId: '1' }).error({ err: new Error('outer', { cause: error }) }, 'again');
    });
    expect(text).toContain('violates check constraint');
    expect(text).not.toContain('red bicycle');
    expect(text).not.toContain('INSERT');
  });

  it('redacts fields with secret names', () => {
    const secrets = { token: 'hush', url: 'https://x/?signature=hush', prompt: 'hush', apiKey: 'hush' };
    const text = logged((logger) => logger.info({ ...secrets, inner: secrets, deep: { inner: secrets } }));
    expect(text).not.toContain('hush');
    expect(text).toContain('[hidden]');
  });

  it('has a share of the lines of answers, but every one of an error or a slow answer', () => {
    const countOf = (share: number, answer: { ms: number; isError: boolean }): number =>
      logged((logger) => {
        const lines = new AnswerLines(logger, share);
        for (let request = 0; request < 1_000; request += 1)
          lines.write('info', 'request', answer, () => ({}));
      }).split('\n').length - 1;
    const good = { ms: 20, isError: false };
    expect([countOf(0, good), countOf(1, good)]).toEqual([0, 1_000]);
    expect(Math.abs(countOf(0.5, good) - 500)).toBeLessThan(200);
    expect(countOf(0, { ms: 1_000, isError: false })).toBe(1_000);
    expect(countOf(0, { ms: 20, isError: true })).toBe(1_000);
  });
});
