import { RequestWindow } from '../../src/sandbox/request-window';

describe('request window', () => {
  it('admits requests up to the limit, rejects others, and resets at its end', () => {
    const window = new RequestWindow(2, 60_000);
    expect(window.take(5_000)).toEqual({ isOver: false, limit: 2, available: 1, resetSeconds: 60 });
    expect(window.take(35_000)).toEqual({ isOver: false, limit: 2, available: 0, resetSeconds: 30 });
    expect(window.take(64_999)).toEqual({ isOver: true, limit: 2, available: 0, resetSeconds: 1 });
    expect(window.take(65_000)).toEqual({ isOver: false, limit: 2, available: 1, resetSeconds: 60 });
  });

  it('never reports a remaining time of 0', () => {
    const window = new RequestWindow(1, 100);
    expect(window.take(1_000).resetSeconds).toBe(1);
  });
});
