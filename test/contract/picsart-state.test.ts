import fc from 'fast-check';
import { createGuard, GuardRefusal, maxUrlLength } from '../../src/upstream/guard';
import { answer } from '../support/fake-upstream';
import { PicsartCalls } from '../support/picsart-calls';

let calls: PicsartCalls;

beforeAll(async () => {
  calls = await PicsartCalls.start();
});

afterAll(async () => {
  await calls.stop();
});

describe('picsart states of a training', () => {
  it.each<[unknown, string]>([
    ['ACCEPTED', 'PENDING'],
    ['queued', 'PENDING'],
    ['Starting', 'PENDING'],
    ['IN_PROGRESS', 'RUNNING'],
    ['in progress', 'RUNNING'],
    ['In-Progress', 'RUNNING'],
    ['processing', 'RUNNING'],
    ['DONE', 'DONE'],
    ['done', 'DONE'],
    ['FINISHED', 'DONE'],
    ['success', 'DONE'],
    [' Completed ', 'DONE'],
    ['FAILED', 'FAILED'],
    ['error', 'FAILED'],
    ['IMAGE_NOT_VALID', 'FAILED'],
  ])('reads %j as %s', async (status, state) => {
    const read = await calls.trainingBy(answer(200, { model_id: 'm-1', status }));
    expect(read.state).toBe(state);
    expect(read).not.toMatchObject({ known: false });
  });

  it.each([
    ['RECALIBRATING'],
    [undefined],
    [null],
    [{}],
    [['DONE']],
    ['__proto__'],
    ['constructor'],
    [-1],
    ['250%'],
  ])('keeps the job running for %j and marks the status word as unknown', async (status) => {
    await expect(calls.trainingBy(answer(200, { status }))).resolves.toMatchObject({
      state: 'RUNNING',
      known: false,
    });
  });

  it('returns the unknown word normalised and truncated', async () => {
    const read = await calls.trainingBy(answer(200, { status: `Re Calibrating\0${'x'.repeat(500)}` }));
    expect(read).toMatchObject({ word: `re_calibrating${'x'.repeat(50)}` });
  });

  it.each<[object, number | undefined]>([
    [{ status: 'IN_PROGRESS', progress: 45 }, 45],
    [{ status: 'IN_PROGRESS', progress: '45%' }, 45],
    [{ status: 'IN_PROGRESS', progress: 0.45 }, 45],
    [{ status: 'IN_PROGRESS', percentage: 12.5 }, 12.5],
    [{ status: 'IN_PROGRESS', data: { progress: 3 } }, 3],
    [{ status: '45%' }, 45],
    [{ status: 45 }, 45],
    [{ status: 'IN_PROGRESS', progress: 400 }, undefined],
    [{ status: 'IN_PROGRESS', progress: 'much' }, undefined],
    [{ status: 'IN_PROGRESS' }, undefined],
  ])('reads progress from %j', async (body, progress) => {
    const read = await calls.trainingBy(answer(200, body));
    expect(read).toMatchObject({ state: 'RUNNING', known: true });
    expect(read).toHaveProperty('progress', progress);
  });

  it.each<[number, object, object]>([
    [202, { status: 'DONE' }, { state: 'DONE' }],
    [200, { status: 'queued' }, { state: 'PENDING' }],
    [202, { status: 'success', model_id: 'm-1' }, { state: 'RUNNING', known: true }],
    [202, { model_id: 'm-1' }, { state: 'RUNNING', known: true }],
    [202, { status: 'success', data: { model_id: 'm-1' } }, { state: 'RUNNING', known: true }],
    [200, { status: 'success', data: { model_id: 'm-1' } }, { state: 'DONE' }],
  ])(
    'uses the status word, and the HTTP status if the word is inconclusive: %i with %j',
    async (http, body, state) => {
      await expect(calls.trainingBy(answer(http, body))).resolves.toMatchObject(state);
    },
  );

  it('returns the reason of a failure without URLs', async () => {
    const detail = 'No face in https://p.example/1?signature=s, sorry';
    await expect(calls.trainingBy(answer(200, { status: 'FAILED', detail }))).resolves.toMatchObject({
      code: 'UPSTREAM_FAILED',
      reason: 'No face in [address] sorry',
    });
    await expect(calls.trainingBy(answer(200, { status: 'IMAGE_NOT_VALID' }))).resolves.toMatchObject({
      code: 'PHOTO_INVALID',
      reason: 'The upstream could not use a photo.',
    });
  });
});

describe('picsart states of a generation', () => {
  const a = 'https://cdn.example/a.jpg';
  const b = 'https://cdn.example/b.jpg';

  it.each<[string, object]>([
    ['data as a list of objects', { status: 'DONE', data: [{ id: '1', url: a }, { url: b }] }],
    ['data as a list of strings', { status: 'DONE', data: [a, b] }],
    ['data.urls', { status: 'DONE', data: { urls: [a, b] } }],
    ['urls', { status: 'success', urls: [a, b] }],
    ['urls as objects', { status: 'finished', urls: [{ url: a }, { url: b }] }],
    ['no word, but pictures', { data: [{ url: a }, { url: b }] }],
  ])('finds the pictures in %s', async (_, body) => {
    const read = await calls.generationBy(answer(200, body));
    expect(read).toMatchObject({ state: 'DONE', results: [{ url: a }, { url: b }] });
  });

  it('keeps the position and the id of entries without a usable URL', async () => {
    const unusable = [null, 7, 'no', ['x'], {}, { id: 'x-1' }, { id: 'x-2', url: 'file:///etc/passwd' }];
    const badIds = ['x'.repeat(201), 'x 1', '', null, {}].map((id) => ({ id, url: b }));
    const read = await calls.generationBy(answer(200, { status: 'DONE', data: [a, ...unusable, ...badIds] }));
    expect(read).toMatchObject({ state: 'DONE' });
    expect(read.state === 'DONE' && read.results).toEqual([
      { url: a },
      ...unusable.slice(0, 5).map(() => ({ url: null })),
      { id: 'x-1', url: null },
      { id: 'x-2', url: null },
      ...badIds.map(() => ({ url: b })),
    ]);
  });

  it('does not take entries without a usable URL as pictures of a job without a status', async () => {
    for (const data of [[{ id: 'x-1' }], ['no']])
      await expect(calls.generationBy(answer(200, { data }))).resolves.toMatchObject({ state: 'RUNNING' });
  });

  it('accepts result URLs up to the maximum length', async () => {
    const url = (length: number): string => 'https://cdn.example.com/'.padEnd(length, 'x');
    const data = [url(2_049), url(maxUrlLength), url(maxUrlLength + 1)];
    const read = await calls.generationBy(answer(200, { status: 'DONE', data }));
    expect(read).toMatchObject({ results: [{ url: url(2_049) }, { url: url(maxUrlLength) }, { url: null }] });
    const guard = createGuard({ allow: [] });
    for (const result of data.slice(0, 2)) expect(guard.checkUrl(result).href).toBe(result);
    expect(() => guard.checkUrl(data[2]!)).toThrow(GuardRefusal);
  });

  it('returns the ids of pictures', async () => {
    const data = [
      { id: 'x-1', url: a },
      { id: 2, url: b },
    ];
    await expect(calls.generationBy(answer(200, { status: 'DONE', data }))).resolves.toMatchObject({
      results: [{ id: 'x-1' }, { id: '2' }],
    });
  });

  it('reads success with an id and without data as accepted, not finished', async () => {
    const script = answer(200, { status: 'success', inference_id: 'i-1' });
    await expect(calls.generationBy(script)).resolves.toMatchObject({ state: 'RUNNING', known: true });
  });

  it.each([{ status: 'DONE' }, { status: 'DONE', data: [] }, { status: 'success', data: [] }])(
    'reads %j as done without pictures',
    async (body) => {
      await expect(calls.generationBy(answer(200, body))).resolves.toMatchObject({
        state: 'DONE',
        results: [],
      });
    },
  );

  it('reads instant avatars the same way', async () => {
    calls.upstream.next(answer(200, { status: 'DONE', data: { urls: [a] } }));
    await expect(calls.instantState()).resolves.toMatchObject({ results: [{ url: a }] });
  });

  it('ignores pictures of a running job', async () => {
    const script = answer(200, { status: 'IN_PROGRESS', data: [a] });
    await expect(calls.generationBy(script)).resolves.toMatchObject({ state: 'RUNNING' });
  });
});

describe('picsart states inside an envelope', () => {
  const url = 'https://cdn.example/a.jpg';

  it.each<[object, object]>([
    [
      { status: 'success', data: { status: 'IN_PROGRESS', progress: 40 } },
      { state: 'RUNNING', progress: 40 },
    ],
    [
      { status: 'success', data: { status: 'ACCEPTED' } },
      { state: 'PENDING', known: true },
    ],
    [{ status: 'success', data: { status: 'DONE' } }, { state: 'DONE' }],
    [{ status: 'DONE', data: { status: 'success' } }, { state: 'DONE' }],
    [{ data: { status: 'DONE' } }, { state: 'DONE' }],
    [
      { status: 'success', message: 'OK', data: { status: 'FAILED', message: 'No face.' } },
      { state: 'FAILED', code: 'UPSTREAM_FAILED', reason: 'No face.' },
    ],
    [
      { status: 'success', data: { status: 'IMAGE_NOT_VALID' } },
      { state: 'FAILED', code: 'PHOTO_INVALID' },
    ],
    [
      { status: 'success', data: { model: { status: 'processing' } } },
      { state: 'RUNNING', known: true },
    ],
    [{ status: 'success', data: [{ status: 'FAILED' }] }, { state: 'FAILED' }],
    [
      { status: 'processing', data: { status: 'DONE' } },
      { state: 'RUNNING', known: true },
    ],
    [
      { status: 'success', data: { status: 'MARINATING' } },
      { state: 'RUNNING', word: 'marinating', known: false },
    ],
    [
      { status: 'error', data: { status: 'DONE' } },
      { state: 'RUNNING', word: 'error+done', known: false },
    ],
    [
      { status: 'processing', data: { status: 'FAILED' } },
      { state: 'RUNNING', known: false },
    ],
    [
      { status: 'success', progress: 40 },
      { state: 'RUNNING', progress: 40 },
    ],
  ])('reads the status of the job itself from %j', async (body, state) => {
    await expect(calls.trainingBy(answer(200, body))).resolves.toMatchObject(state);
  });

  it.each<[object, object]>([
    [
      { status: 'success', data: { status: 'DONE', urls: [url] } },
      { state: 'DONE', results: [{ url }] },
    ],
    [{ status: 'success', data: { status: 'IN_PROGRESS', urls: [url] } }, { state: 'RUNNING' }],
    [{ data: { status: 'IN_PROGRESS', urls: [url] } }, { state: 'RUNNING' }],
    [{ status: 'success', data: [{ url, status: 'IN_PROGRESS' }] }, { state: 'RUNNING' }],
    [{ status: 'success', data: [{ status: 'FAILED' }] }, { state: 'FAILED' }],
    [
      { status: 'success', data: [{ status: 'FAILED' }, { url }] },
      { state: 'DONE', results: [{ url: null }, { url }] },
    ],
  ])('reads the status of a generation from %j', async (body, state) => {
    await expect(calls.generationBy(answer(200, body))).resolves.toMatchObject(state);
  });

  it('never reads DONE if any status word of the job differs', async () => {
    const good = fc.constantFrom('DONE', 'done', 'success', 'Finished', 'completed');
    const bad = fc.oneof(
      fc.constantFrom('ACCEPTED', 'queued', 'IN_PROGRESS', 'in progress', 'processing', 'FAILED', 'error'),
      fc.constantFrom<unknown>('IMAGE_NOT_VALID', 'MARINATING', '45%', 45, -1, {}, ['DONE'], true),
    );
    const container = fc.constantFrom('data', 'result', 'response', 'job', 'model', 'inference');
    /** A path of containers with the status word at its end; all words above it are valid. */
    const nested = fc
      .tuple(
        bad,
        fc.array(container, { maxLength: 2 }),
        fc.array(fc.option(good), { minLength: 2, maxLength: 2 }),
      )
      .map(([word, path, above]) =>
        path.reduceRight<object>(
          (inner, name, depth) => ({ ...(above[depth] !== null && { status: above[depth] }), [name]: inner }),
          { status: word, urls: [url], url },
        ),
      );
    await fc.assert(
      fc.asyncProperty(nested, fc.constantFrom(200, 202), async (body, http) => {
        const reads = [calls.trainingBy(answer(http, body)), calls.generationBy(answer(http, body))];
        for (const read of await Promise.all(reads)) expect(read.state).not.toBe('DONE');
      }),
      { numRuns: 150 },
    );
  });
});
