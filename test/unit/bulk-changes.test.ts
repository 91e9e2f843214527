import { BulkChanges, type BulkResult } from '../../src/core/bulk-changes';
import type { OwnedList } from '../../src/core/owned-list';

describe('a call of a bulk change', () => {
  const rows = Array.from({ length: 6 }, (_, index) => ({ id: `${index}` }));
  const list = {
    readColumns: (_scope: object, _columns: object, limit: number) => Promise.resolve(rows.slice(0, limit)),
    count: () => Promise.resolve([rows.length]),
  } as unknown as OwnedList<{ id: string }, object>;

  /** Changes the rows, each of which takes two seconds. */
  const run = (maxObjects: number): Promise<BulkResult> => {
    const changes = new BulkChanges(list, 'AvatarModel', ['id'], { maxObjects, maxMs: 5_000 });
    const scope = { owner: 'ann', filter: {}, parents: null };
    const selection = { ids: null, filter: {} };
    const apply = (): Promise<boolean> => {
      jest.advanceTimersByTime(2_000);
      return Promise.resolve(true);
    };
    const options = { isDryRun: false, reportsUnknown: true };
    return changes.run(scope, selection, { check: () => 'change', apply }, options);
  };

  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  it('begins no object after its time', async () => {
    const result = { matchedCount: 6, changedCount: 3, hasMore: true, failures: [] };
    expect(await run(100)).toEqual(result);
  });

  it('changes no more objects than its limit', async () => {
    expect(await run(2)).toMatchObject({ matchedCount: 6, changedCount: 2, hasMore: true });
  });
});
