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
  ])('keeps the job running for %j and says that the word is unknown', async (status) => {
    await expect(calls.trainingBy(answer(200, { status }))).resolves.toMatchObject({
      state: 'RUNNING',
      known: false,
    });
  });

  it('gives the unknown word, normalised and cut', async () => {
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
  ])(
    'lets the word decide, and HTTP where the word leaves it open: %i with %j',
    async (http, body, state) => {
      await expect(calls.trainingBy(answer(http, body))).resolves.toMatchObject(state);
    },
  );

  it('gives the reason of a failure, without addresses', async () => {
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
    [
      'unusable ones among them',
      { status: 'DONE', data: [a, null, 7, { url: 'file:///etc/passwd' }, { url: 'no' }, {}, b] },
    ],
  ])('finds the pictures in %s', async (_, body) => {
    const read = await calls.generationBy(answer(200, body));
    expect(read).toMatchObject({ state: 'DONE', results: [{ url: a }, { url: b }] });
  });

  it('takes a result URL of as many characters as can be fetched, and no longer one', async () => {
    const url = (length: number): string => 'https://cdn.example.com/'.padEnd(length, 'x');
    const data = [url(2_049), url(maxUrlLength), url(maxUrlLength + 1)];
    const read = await calls.generationBy(answer(200, { status: 'DONE', data }));
    expect(read).toMatchObject({ results: [{ url: url(2_049) }, { url: url(maxUrlLength) }] });
    const guard = createGuard({ allow: [] });
    for (const result of data.slice(0, 2)) expect(guard.checkUrl(result).href).toBe(result);
    expect(() => guard.checkUrl(data[2]!)).toThrow(GuardRefusal);
  });

  it('keeps the ids of pictures', async () => {
    const data = [
      { id: 'x-1', url: a },
      { id: 2, url: b },
    ];
    await expect(calls.generationBy(answer(200, { status: 'DONE', data }))).resolves.toMatchObject({
      results: [{ id: 'x-1' }, { id: '2' }],
    });
  });

  it('takes success with an id and no data for accepted, not finished', async () => {
    const script = answer(200, { status: 'success', inference_id: 'i-1' });
    await expect(calls.generationBy(script)).resolves.toMatchObject({ state: 'RUNNING', known: true });
  });

  it.each([{ status: 'DONE' }, { status: 'DONE', data: [] }, { status: 'success', data: [] }])(
    'takes %j for done without pictures',
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

  it('does not take pictures of a job that goes on', async () => {
    const script = answer(200, { status: 'IN_PROGRESS', data: [a] });
    await expect(calls.generationBy(script)).resolves.toMatchObject({ state: 'RUNNING' });
  });
});
