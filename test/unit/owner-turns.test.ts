import { OwnerTurns } from '../../src/core/owner-turns';

describe('turns of owners', () => {
  /** Starts tasks that end on request, and returns the names of those that have started. */
  const start = (turns: OwnerTurns, ...names: readonly string[]): Map<string, () => void> => {
    const started = new Map<string, () => void>();
    for (const name of names)
      void turns.run(name[0]!, () => new Promise<void>((resolve) => started.set(name, resolve)));
    return started;
  };
  const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  it('leave half of the slots to others, and resume owners in turn and tasks in order', async () => {
    const turns = new OwnerTurns(4);
    const started = start(turns, 'a1', 'a2', 'a3', 'a4', 'b1', 'b2', 'c1', 'c2');
    expect([...started.keys()]).toEqual(['a1', 'a2', 'b1', 'c1']);
    started.get('a1')!();
    await settled();
    expect([...started.keys()].slice(4)).toEqual([]);
    started.get('b1')!();
    started.get('a2')!();
    await settled();
    expect([...started.keys()].slice(4).sort()).toEqual(['a3', 'b2']);
    for (const name of ['a3', 'b2', 'c1']) started.get(name)!();
    await settled();
    expect([...started.keys()].slice(6).sort()).toEqual(['a4', 'c2']);
  });

  it('resume the owners that wait one after the other, each with its oldest task', async () => {
    const turns = new OwnerTurns(1);
    const started = start(turns, 'x1', 'a1', 'a2', 'a3', 'b1', 'b2', 'c1');
    for (let count = 1; count <= 7; count += 1) {
      await settled();
      [...started.values()][count - 1]!();
    }
    await settled();
    expect([...started.keys()]).toEqual(['x1', 'a1', 'b1', 'c1', 'a2', 'b2', 'a3']);
  });

  it('are passed on by tasks that fail', async () => {
    const turns = new OwnerTurns(1);
    const failing = turns.run('a', () => Promise.reject(new Error('It failed.')));
    const next = turns.run('a', () => 'done');
    await expect(failing).rejects.toThrow('It failed.');
    expect(await next).toBe('done');
  });

  it('are not waited for longer than a client waits: a late task is never begun', async () => {
    jest.useFakeTimers();
    try {
      const turns = new OwnerTurns(1);
      const end = start(turns, 'a1').get('a1')!;
      const late = jest.fn();
      const refusal = turns.run('a', late).catch((error: unknown) => error);
      await jest.advanceTimersByTimeAsync(9_000);
      expect(await refusal).toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
      const next = turns.run('a', () => 'done');
      end();
      expect(await next).toBe('done');
      expect(late).not.toHaveBeenCalled();
    } finally {
      jest.useRealTimers();
    }
  });
});
