import { setImmediate as turn } from 'node:timers/promises';
import { newId } from '../../src/core/ids';
import { appendEvents, endStreams, eraseEvents, pruneEvents } from '../../src/events/event-log.repository';
import { TestDatabase } from '../support/database';
import { change, changes, EventProcess, range } from '../support/event-process';

interface Row {
  sequence: number;
  kind: string;
  subject_id: string;
  generation_id: string | null;
  payload: Record<string, unknown>;
}

describe('the event log', () => {
  let testDatabase: TestDatabase;
  let process: EventProcess;

  beforeAll(async () => {
    testDatabase = await TestDatabase.create();
    process = await EventProcess.start(testDatabase);
  });

  afterAll(async () => {
    await process.stop();
    await testDatabase.drop();
  });

  const kept = (streamId: string): Promise<Row[]> =>
    process.database.rows<Row>(
      'SELECT sequence::int, kind, subject_id, generation_id, payload FROM events WHERE stream_id = $1 ORDER BY sequence',
      [streamId],
    );

  const age = (streamId: string, upTo: number): Promise<unknown> =>
    process.database.rows(
      `UPDATE events SET created_at = created_at - interval '2 hours' WHERE stream_id = $1 AND sequence <= $2`,
      [streamId, upTo],
    );

  const hourMs = 3_600_000;

  it('numbers the events of every stream in the order given, in one statement', async () => {
    const [one, other] = [await process.openStream(), await process.openStream()];
    const events = range(1, 300).map((n) => change(n % 3 === 0 ? one : other, n));
    await appendEvents(process.database, events);
    for (const streamId of [one, other]) {
      const received = events.filter((event) => event.streamId === streamId).map((event) => event.payload);
      const rows = await kept(streamId);
      expect(rows.map((row) => row.sequence)).toEqual(range(1, received.length));
      expect(rows.map((row) => row.payload)).toEqual(received);
    }
  });

  it('skips unknown or ended streams, and appends the rest', async () => {
    const [living, ended] = [await process.openStream(), await process.openStream()];
    await process.database.transaction((sql) => endStreams(sql, [ended], 'MODEL'));
    await appendEvents(process.database, [change(newId(), 1), change(ended, 2), change(living, 3)]);
    expect((await kept(living)).map((row) => row.payload)).toEqual([{ n: 3 }]);
    expect(await kept(ended)).toHaveLength(1);
  });

  it('has no gaps and no duplicates with concurrent writers and rollbacks', async () => {
    const streams = await Promise.all(range(1, 3).map(() => process.openStream()));
    const regret = new Error('The writer thinks better of it.');
    const committed: { streamId: string; n: number }[] = [];
    const writer = async (id: number): Promise<void> => {
      for (let round = 0; round < 40; round += 1) {
        const batch = streams.flatMap((streamId, index) =>
          (id + round + index) % 2 === 0
            ? []
            : changes(streamId, id * 1000 + round * 10, id * 1000 + round * 10 + index),
        );
        const write = process.database.transaction(async (sql) => {
          await appendEvents(sql, id % 2 === 0 ? batch.reverse() : batch);
          await turn();
          if ((id + round) % 5 === 0) throw regret;
        });
        const isCommitted = await write.then(
          () => true,
          (error: unknown) => {
            if (error !== regret) throw error;
            return false;
          },
        );
        if (isCommitted)
          for (const event of batch)
            committed.push({ streamId: event.streamId, ...(event.payload as { n: number }) });
      }
    };
    await Promise.all(range(1, 8).map(writer));
    for (const streamId of streams) {
      const wanted = committed.filter((event) => event.streamId === streamId).map((event) => event.n);
      const rows = await kept(streamId);
      expect(rows.map((row) => row.sequence)).toEqual(range(1, wanted.length));
      expect(rows.map((row) => Number(row.payload.n)).sort()).toEqual(wanted.sort());
    }
  });

  it('keeps only one deletion event of a deleted model, also after repeated deletion', async () => {
    const streamId = await process.openStream();
    await appendEvents(process.database, changes(streamId, 1, 5));
    for (let time = 0; time < 2; time += 1) {
      await process.database.transaction((sql) => endStreams(sql, [streamId], 'MODEL'));
    }
    expect(await kept(streamId)).toEqual([
      {
        sequence: 6,
        kind: 'DELETED',
        subject_id: streamId,
        generation_id: null,
        payload: { subject: 'MODEL' },
      },
    ]);
  });

  it('erases events of a generation and its avatars without a gap, and appends a deletion event', async () => {
    const [streamId, generationId, avatarId] = [await process.openStream(), newId(), newId()];
    await appendEvents(process.database, [
      change(streamId, 1),
      { streamId, kind: 'GENERATION', subjectId: generationId, generationId, payload: { prompt: 'private' } },
      { streamId, kind: 'AVATAR', subjectId: avatarId, generationId, payload: { prompt: 'private' } },
      change(streamId, 4),
    ]);
    await process.database.transaction((sql) => eraseEvents(sql, streamId, { generationId, avatarId }));
    await process.database.transaction((sql) => eraseEvents(sql, streamId, { generationId }));
    await process.database.transaction((sql) => eraseEvents(sql, streamId, { generationId }));
    const rows = await kept(streamId);
    expect(JSON.stringify(rows)).not.toContain('private');
    expect(rows.map((row) => [row.sequence, row.kind, row.payload])).toEqual([
      [1, 'MODEL', { n: 1 }],
      [2, 'DELETED', { erased: true }],
      [3, 'DELETED', { erased: true }],
      [4, 'MODEL', { n: 4 }],
      [5, 'DELETED', { subject: 'AVATAR' }],
      [6, 'DELETED', { subject: 'GENERATION' }],
    ]);
    expect(rows[4]).toMatchObject({ subject_id: avatarId, generation_id: generationId });
    expect(rows[5]).toMatchObject({ subject_id: generationId, generation_id: generationId });
  });

  it('erases a generation or avatar without reading the other events of a long stream', async () => {
    const streamId = await process.openStream();
    const generations = range(1, 3_000).map(() => newId());
    const avatarId = newId();
    await appendEvents(process.database, [
      ...generations.map((id) => ({
        ...{ streamId, kind: 'GENERATION' as const, subjectId: id, generationId: id, payload: {} },
      })),
      { streamId, kind: 'AVATAR', subjectId: avatarId, generationId: generations[1]!, payload: {} },
    ]);
    await process.database.rows('ANALYZE events');
    const erased = [{ generationId: generations[0]! }, { generationId: generations[1]!, avatarId }];
    const read = await process.database.transaction(async (sql) => {
      // Also counts what earlier transactions of this session have read and not yet reported.
      const count = async (): Promise<number> => {
        const [row] = await sql.rows<{ count: number }>(
          `SELECT (seq_tup_read + idx_tup_fetch)::int AS count FROM pg_stat_xact_user_tables WHERE relname = 'events'`,
        );
        return row!.count;
      };
      const before = await count();
      for (const one of erased) await eraseEvents(sql, streamId, one);
      return (await count()) - before;
    });
    expect(read).toBeGreaterThan(0);
    expect(read).toBeLessThan(50);
    expect((await kept(streamId)).filter(({ kind }) => kind === 'DELETED')).toHaveLength(4);
  });

  it('prunes any number of old events, and continues the sequence', async () => {
    const streamId = await process.openStream();
    await appendEvents(process.database, changes(streamId, 1, 12_000));
    await age(streamId, 11_990);
    expect(await pruneEvents(process.database, hourMs)).toBe(11_990);
    expect(await pruneEvents(process.database, hourMs)).toBe(0);
    await appendEvents(process.database, [change(streamId, 12_001)]);
    expect((await kept(streamId)).map((row) => row.sequence)).toEqual(range(11_991, 12_001));
  });

  it('prunes the start of a stream and never its middle when the clock jumps', async () => {
    const streamId = await process.openStream();
    await appendEvents(process.database, changes(streamId, 1, 10));
    await age(streamId, 5);
    await process.database.rows(
      `UPDATE events SET created_at = now() WHERE stream_id = $1 AND sequence IN (2, 3)`,
      [streamId],
    );
    await pruneEvents(process.database, hourMs);
    expect((await kept(streamId)).map((row) => row.sequence)).toEqual(range(6, 10));
  });

  it('removes a deleted stream once its last event is old, and keeps an idle one', async () => {
    const [ended, resting] = [await process.openStream(), await process.openStream()];
    await appendEvents(process.database, [change(resting, 1), change(ended, 1)]);
    await process.database.transaction((sql) => endStreams(sql, [ended], 'MODEL'));
    await age(ended, 2);
    await age(resting, 1);
    await pruneEvents(process.database, hourMs);
    const left = await process.database.rows<{ id: string }>('SELECT id FROM streams WHERE id = ANY($1)', [
      [ended, resting],
    ]);
    expect(left).toEqual([{ id: resting }]);
  });

  it('skips a stream with a concurrent writer when pruning, and prunes it the next time', async () => {
    const [busy, idle] = [await process.openStream(), await process.openStream()];
    await appendEvents(process.database, [change(busy, 1), change(idle, 1)]);
    await age(busy, 1);
    await age(idle, 1);
    // Without SKIP LOCKED it would wait for the writer.
    const skips = process.database.engine.skipLocked !== '';
    const pruned = await process.database.transaction(async (sql) => {
      await appendEvents(sql, [change(busy, 2)]);
      return skips ? pruneEvents(process.database, hourMs) : 0;
    });
    expect(pruned).toBe(skips ? 1 : 0);
    expect(await pruneEvents(process.database, hourMs)).toBe(skips ? 1 : 2);
    expect((await kept(busy)).map((row) => row.sequence)).toEqual([2]);
  });
});
