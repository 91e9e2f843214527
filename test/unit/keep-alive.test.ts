import { KeepAlive, type Checked } from '../../src/http/graphql/keep-alive';
import { until } from '../support/until';

/** Counts its checks, and the turns of the event loop in which they ran. */
class CheckLog {
  readonly checked = new Map<Checked, number>();
  /** The number of checks in each turn. */
  readonly turns: number[] = [];
  private isSameTurn = false;

  record(checked: Checked): void {
    this.checked.set(checked, (this.checked.get(checked) ?? 0) + 1);
    if (!this.isSameTurn) {
      this.isSameTurn = true;
      this.turns.push(0);
      setImmediate(() => (this.isSameTurn = false));
    }
    this.turns[this.turns.length - 1]! += 1;
  }
}

describe('checks of sockets', () => {
  it('that are due together run in several turns of the event loop', async () => {
    const log = new CheckLog();
    const keepAlive = new KeepAlive(10);
    const sockets = Array.from({ length: 250 }, () => {
      const checked: Checked = { checkAlive: () => log.record(checked) };
      return { checked, slot: keepAlive.add(checked) };
    });
    await until(() => [...log.checked.values()].filter((count) => count >= 2).length === 250);
    for (const { checked, slot } of sockets) keepAlive.remove(checked, slot);
    expect(Math.max(...log.turns)).toBeLessThanOrEqual(50);
  });

  it('are skipped for sockets that are removed meanwhile', async () => {
    const keepAlive = new KeepAlive(10);
    const checks: number[] = [];
    const slots = new Map<number, { checked: Checked; slot: number }>();
    for (let n = 0; n < 100; n += 1) {
      const checked: Checked = {
        checkAlive: () => {
          checks.push(n);
          const last = slots.get(99 - n);
          if (last) keepAlive.remove(last.checked, last.slot);
          slots.delete(99 - n);
        },
      };
      slots.set(n, { checked, slot: keepAlive.add(checked) });
    }
    await until(() => slots.size === 50 && checks.length >= 50);
    for (const { checked, slot } of slots.values()) keepAlive.remove(checked, slot);
    expect(checks.filter((n) => n >= 50)).toEqual([]);
  });
});
