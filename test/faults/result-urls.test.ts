import { once } from 'node:events';
import { markDamaged } from '../../src/generations/avatar-check.repository';
import {
  UpstreamError,
  type AvatarProvider,
  type UpstreamResult,
  type UpstreamState,
} from '../../src/upstream/provider';
import type { Job } from '../support/job-harness';
import { resultDeadlineMs } from '../support/job-process';
import { answers, fileOf, paint, useResultHarness, sha256Of } from '../support/result-harness';
import { done } from '../support/scripted-provider';

const hourMs = 3_600_000;

/** An entry of the upstream's answer: the picture `name`, and its URL in the n-th answer. */
const entry = (name: string, answer: number): Required<UpstreamResult> => ({
  id: `id-of-${name}`,
  url: `https://pictures.example/${name}-${answer}`,
});
/** An entry without an id. */
const bare = (name: string, answer: number): UpstreamResult => ({ url: entry(name, answer).url });
/** An entry whose URL changes only in its query. */
const signed = (name: string, answer: number): UpstreamResult => ({
  url: `https://pictures.example/${name}?signature=${answer}`,
});

/** Answers with an id and no URL, as the provider reads a URL that is too long. */
const unusable = (name: string): UpstreamResult => ({ ...entry(name, 1), url: null });

describe('the URL of a finished picture', () => {
  const harness = useResultHarness();

  /** A finished generation all of whose first URLs answer 404. */
  const withoutUrls = async (...results: UpstreamResult[]): Promise<Job> => {
    const job = await harness.finished(...results);
    for (const { url } of results) if (url !== null) harness.host.set(url, answers(404));
    return job;
  };

  const urls = async (job: Awaited<ReturnType<typeof withoutUrls>>): Promise<(string | null)[]> =>
    (await harness.avatars(job)).map(({ sourceUrl }) => sourceUrl);

  it.each<[string, UpstreamResult, UpstreamResult]>([
    ['with an id', unusable('b'), entry('b', 2)],
    ['without an id', { url: null }, bare('b', 2)],
  ])('is requested again when the answer had no usable one, %s', async (_, first, fresh) => {
    const job = await harness.finished(entry('a', 1), first);
    expect(await urls(job)).toEqual([entry('a', 1).url, null]);
    await harness.tryAgain();
    expect(await harness.states(job)).toEqual(['STORED', 'PENDING']);
    expect(harness.asked).toBe(1);
    await harness.says(job, done(entry('a', 2), fresh));
    await harness.tryAgain(2);
    expect(await harness.row(job)).toMatchObject({ status: 'COMPLETED' });
    expect(harness.fetched).toEqual([entry('a', 1).url, entry('b', 2).url]);
  });

  it('delays its generation for a limited time when it is missing, and is LOST only when the picture has expired', async () => {
    const job = await harness.finished(entry('a', 1), unusable('b'));
    await harness.tryAgain(8);
    const [, waiting] = await harness.avatars(job);
    expect(waiting!.dueAt!.getTime() - Date.now()).toBeGreaterThan(60_000);
    await harness.age(job, resultDeadlineMs + 1_000);
    await harness.tryAgain();
    expect(await harness.row(job)).toMatchObject({ status: 'PARTIAL', failureCode: null });
    expect(await harness.states(job)).toEqual(['STORED', 'DELAYED']);
    await harness.age(job, 48 * hourMs);
    await harness.tryAgain();
    expect(await harness.avatars(job)).toMatchObject([{}, { status: 'LOST', failureCode: 'RESULT_EXPIRED' }]);
    expect(await harness.row(job)).toMatchObject({ status: 'PARTIAL' });
  });

  it.each<[string, UpstreamResult[]]>([
    ['in another order', [entry('c', 2), entry('a', 2), entry('b', 2)]],
    ['beside others', [entry('x', 2), entry('a', 2), entry('b', 2), entry('c', 2)]],
  ])('follows the id when the fresh answer lists the pictures %s', async (_, fresh) => {
    const job = await withoutUrls(entry('a', 1), entry('b', 1), entry('c', 1));
    await harness.says(job, done(...fresh));
    await harness.tryAgain();
    expect(await urls(job)).toEqual([entry('a', 2).url, entry('b', 2).url, entry('c', 2).url]);
    expect(harness.asked).toBe(1);
  });

  it('is not taken from another picture when the fresh answer lacks one, which is LOST once it has expired', async () => {
    const job = await withoutUrls(entry('a', 1), entry('b', 1), entry('c', 1));
    await harness.says(job, done(entry('b', 2), entry('c', 2)));
    await harness.tryAgain();
    expect(await urls(job)).toEqual([entry('a', 1).url, entry('b', 2).url, entry('c', 2).url]);
    await harness.tryAgain();
    expect(await harness.states(job)).toEqual(['PENDING', 'STORED', 'STORED']);
    await harness.age(job, 48 * hourMs + 1_000);
    await harness.tryAgain();
    expect(await harness.states(job)).toEqual(['LOST', 'STORED', 'STORED']);
  });

  it('is not taken from a picture with an id for one without', async () => {
    const job = await withoutUrls(entry('a', 1), bare('b', 1));
    await harness.says(job, done(bare('b', 2), entry('a', 2)));
    await harness.tryAgain();
    expect(await urls(job)).toEqual([entry('a', 2).url, bare('b', 1).url]);
  });

  it('is matched by position when entries share an id', async () => {
    const twice = (answer: number): UpstreamResult[] => [
      { ...entry('a', answer), id: 'same' },
      { ...entry('b', answer), id: 'same' },
    ];
    const job = await withoutUrls(...twice(1));
    await harness.says(job, done(...twice(2)));
    await harness.tryAgain();
    expect(await urls(job)).toEqual([entry('a', 2).url, entry('b', 2).url]);
  });

  it('is not shared by pictures with the same id when the fresh answer has that id once', async () => {
    const job = await withoutUrls({ ...entry('a', 1), id: 'same' }, { ...entry('b', 1), id: 'same' });
    await harness.says(job, done({ ...entry('a', 2), id: 'same' }, bare('b', 2)));
    await harness.tryAgain();
    expect(await urls(job)).toEqual([entry('a', 2).url, entry('b', 2).url]);
  });

  it.each<[string, UpstreamResult[], UpstreamResult[]]>([
    ['an unknown id', [entry('a', 1), entry('b', 1)], [entry('x', 2), entry('b', 2)]],
    [
      'the id of another picture',
      [bare('a', 1), entry('b', 1)],
      [{ ...entry('x', 2), id: entry('b', 2).id }, entry('b', 2)],
    ],
  ])('is not that of an entry at its position with %s', async (_, first, fresh) => {
    const job = await withoutUrls(...first);
    await harness.says(job, done(...fresh));
    await harness.tryAgain();
    expect((await urls(job))[0]).toBe(first[0]!.url);
  });

  it.each<[string, UpstreamResult[]]>([
    ['fewer', [bare('b', 2)]],
    ['more', [bare('x', 2), bare('a', 2), bare('b', 2)]],
  ])('stays when a fresh answer without ids has %s entries, until one is complete', async (_, fresh) => {
    const first = [bare('a', 1), bare('b', 1)];
    const job = await withoutUrls(...first);
    await harness.says(job, done(...fresh));
    await harness.tryAgain();
    await harness.age(job, 49 * hourMs);
    await harness.tryAgain(2);
    expect(await urls(job)).toEqual(first.map(({ url }) => url));
    expect(await harness.states(job)).toEqual(['DELAYED', 'DELAYED']);
    await harness.says(job, done(bare('a', 3), bare('b', 3)));
    await harness.tryAgain();
    expect(await urls(job)).toEqual([bare('a', 3).url, bare('b', 3).url]);
  });

  it('is matched by position in a complete answer without ids after one of the pictures was deleted', async () => {
    const job = await withoutUrls(bare('a', 1), bare('b', 1), bare('c', 1));
    const last = `DELETE FROM avatars WHERE generation_id = $1 AND position = 2`;
    await harness.database.rows(last, [job.id]);
    await harness.says(job, done(bare('b', 2), bare('c', 2)));
    await harness.tryAgain();
    expect(await urls(job)).toEqual([bare('a', 1).url, bare('b', 1).url]);
    await harness.says(job, done(bare('a', 2), bare('b', 2), bare('c', 2)));
    await harness.tryAgain();
    expect(await urls(job)).toEqual([bare('a', 2).url, bare('b', 2).url]);
  });

  it.each<[string, UpstreamResult[], (string | null)[]]>([
    ['fewer entries', [signed('b', 2)], [signed('a', 1).url, signed('b', 2).url]],
    ['another order', [signed('b', 2), signed('a', 2)], [signed('a', 2).url, signed('b', 2).url]],
    ['one in another place', [signed('b', 2), signed('x', 2)], [signed('a', 1).url, signed('b', 2).url]],
  ])('is recognised without its query in a fresh answer without ids with %s', async (_, fresh, expected) => {
    const job = await withoutUrls(signed('a', 1), signed('b', 1));
    await harness.says(job, done(...fresh));
    await harness.tryAgain();
    expect(await urls(job)).toEqual(expected);
  });

  it('does not store a picture twice when a fresh answer without ids lists the pictures in another order', async () => {
    const job = await harness.finished(bare('a', 1), bare('b', 1));
    const picture = await paint('#357');
    harness.host.set(bare('a', 1).url!, fileOf(picture));
    harness.host.set(bare('a', 2).url!, fileOf(picture));
    harness.host.set(bare('b', 1).url!, answers(404));
    await harness.says(job, done(bare('b', 2), bare('a', 2)));
    await harness.tryAgain(2);
    expect(await harness.avatars(job)).toMatchObject([
      { status: 'STORED', sha256: sha256Of(picture) },
      { status: 'PENDING', failureCode: 'RESULT_UNUSABLE', sha256: null },
    ]);
    const ids = (await harness.avatars(job)).map(({ id }) => id);
    expect(await harness.keysOf(ids)).toHaveLength(2);
    await harness.says(job, done(bare('a', 3), bare('b', 3)));
    await harness.tryAgain(3);
    expect(await harness.row(job)).toMatchObject({ status: 'COMPLETED' });
  });

  it('does not store a picture twice when another one was stored from its fresh URL', async () => {
    const job = await harness.finished(bare('a', 1), bare('b', 1));
    const pictures = { a: await paint('#357'), b: await paint('#753') };
    for (const name of ['a', 'b'] as const) harness.host.set(bare(name, 2).url!, fileOf(pictures[name]));
    harness.host.set(bare('a', 1).url!, () => Promise.reject(new Error('The disk is full.')));
    harness.host.set(bare('b', 1).url!, answers(404));
    await harness.says(job, done(bare('b', 2), bare('a', 2)));
    await harness.tryAgain();
    // Not refreshed: its first URL is still the one that is tried.
    await harness.database.rows(
      `UPDATE avatars SET source_url = $2, source_url_at = created_at WHERE generation_id = $1 AND position = 0`,
      [job.id, bare('a', 1).url],
    );
    await harness.tryAgain();
    harness.host.set(bare('a', 1).url!, fileOf(pictures.a));
    await harness.tryAgain();
    expect(await harness.states(job)).toEqual(['PENDING', 'STORED']);
    await harness.tryAgain(3);
    const stored = (await harness.avatars(job)).map(({ sha256 }) => sha256);
    expect(stored).toEqual([sha256Of(pictures.b), sha256Of(pictures.a)]);
  });

  it('stores equal pictures that the upstream delivered as two', async () => {
    const job = await harness.finished(bare('a', 1), bare('b', 1));
    const picture = fileOf(await paint('#357'));
    for (const name of ['a', 'b']) harness.host.set(bare(name, 1).url!, picture);
    await harness.tryAgain();
    expect(await harness.row(job)).toMatchObject({ status: 'COMPLETED' });
  });

  it('stores equal pictures that the upstream delivered as two, from fresh URLs that are matched by id', async () => {
    const job = await withoutUrls(entry('a', 1), entry('b', 1));
    const picture = fileOf(await paint('#357'));
    for (const name of ['a', 'b']) harness.host.set(entry(name, 2).url!, picture);
    await harness.says(job, done(entry('a', 2), entry('b', 2)));
    await harness.tryAgain(3);
    expect(await harness.row(job)).toMatchObject({ status: 'COMPLETED' });
  });

  it('repairs a damaged picture from a fresh URL although another one is equal', async () => {
    const job = await harness.finished(bare('a', 1), bare('b', 1));
    const picture = fileOf(await paint('#357'));
    for (const name of ['a', 'b']) {
      harness.host.set(bare(name, 1).url!, picture);
      harness.host.set(bare(name, 2).url!, picture);
    }
    await harness.tryAgain();
    const [damaged] = await harness.avatars(job);
    await markDamaged(harness.database, damaged!);
    await harness.says(job, done(bare('a', 2), bare('b', 2)));
    await harness.tryAgain(3);
    expect(await harness.avatars(job)).toMatchObject([
      { status: 'STORED', damagedAt: null, dueAt: null },
      { status: 'STORED' },
    ]);
  });

  it('is not replaced by position for a picture with an id when the fresh answer has no ids', async () => {
    const job = await withoutUrls(entry('a', 1), entry('b', 1));
    await harness.says(job, done(bare('b', 2), bare('a', 2)));
    await harness.tryAgain();
    expect(await urls(job)).toEqual([entry('a', 1).url, entry('b', 1).url]);
  });

  it('is not that of the attempt before a retry whose answer arrives late', async () => {
    const job = await withoutUrls(bare('a', 1), bare('b', 1));
    await harness.says(job, done(bare('a', 1), bare('b', 1)));
    await harness.tryAgain();
    await harness.age(job, resultDeadlineMs + 1_000);
    await harness.tryAgain();
    const isAsked = new Promise<() => void>((asked) => {
      jest.spyOn(harness.provider, 'generation').mockImplementationOnce(async () => {
        await new Promise<void>((release) => {
          asked(release);
        });
        return done(bare('a', 2), bare('b', 2)) as UpstreamState;
      });
    });
    await harness.untilPicturesDue();
    const fetching = harness.worker.storePictures();
    const release = await isAsked;
    await harness.retry(job);
    const other = harness.process();
    await other.submit('generations');
    await harness.says(job, done(bare('c', 1), bare('d', 1)));
    await harness.untilDue(job);
    await other.poll('generations');
    release();
    await fetching;
    expect(await urls(job)).toEqual([bare('c', 1).url, bare('d', 1).url]);
  });

  it('is no longer requested from a silent upstream when the process stops, which is not a failed try', async () => {
    const job = await withoutUrls(bare('a', 1), bare('b', 1));
    const stop = new AbortController();
    const provider: AvatarProvider = harness.provider;
    jest.spyOn(provider, 'generation').mockImplementationOnce(async (_, signal) => {
      setImmediate(() => {
        stop.abort();
      });
      await once(signal, 'abort');
      throw new UpstreamError('UNKNOWN', 'The upstream was aborted before it answered.');
    });
    await harness.untilPicturesDue();
    await harness.worker.storePictures(stop.signal);
    for (const avatar of await harness.avatars(job))
      expect(avatar).toMatchObject({ tries: 0, lease: null, dueAt: expect.any(Date) as Date });
    const { nodes } = (
      await harness.readGeneration<{ timeline: { nodes: { message: string }[] } }>(
        job,
        'timeline(first: 100) { nodes { message } }',
      )
    ).timeline;
    expect(nodes.filter(({ message }) => message.includes('no usable answer'))).toEqual([]);
  });

  it('ends the pause of an upstream that failed when it is requested by the trial call and answered', async () => {
    const { database } = harness;
    const job = await withoutUrls(bare('a', 1));
    await database.rows(
      `UPDATE upstream_accounts SET reach_failing_since = now() - interval '1 min', reach_open_until = now() - interval '1 s',
              reach_failing = ARRAY(SELECT gen_random_uuid() FROM generate_series(1, 5))`,
    );
    await harness.says(job, done(bare('a', 2)));
    await harness.tryAgain();
    // The second picture was not delivered.
    expect(await urls(job)).toEqual([bare('a', 2).url, null]);
    expect(await database.rows('SELECT reach_failing AS failing FROM upstream_accounts')).toEqual([
      { failing: [] },
    ]);
  });
});
