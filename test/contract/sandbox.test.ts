import sharp from 'sharp';
import type { UpstreamState } from '../../src/upstream/provider';
import { sandboxStyles } from '../../src/upstream/sandbox/sandbox-provider';
import { PhotoHost } from '../support/photo-host';
import { fastSpeed, fetchBytes, resultsOf, SandboxCalls } from '../support/sandbox-calls';

const signal = new AbortController().signal;
let host: PhotoHost;
let calls: SandboxCalls;

beforeAll(async () => {
  host = await PhotoHost.start();
  calls = await SandboxCalls.start();
});

afterAll(async () => {
  await calls.stop();
  await host.stop();
});

describe('sandbox trainings', () => {
  it('pass through the states with growing progress, and end on time', async () => {
    const slower = await SandboxCalls.start({ speed: 2_000 });
    const startedMs = Date.now();
    const ref = await slower.train(await host.heads(5, 200));
    const seen: UpstreamState[] = [];
    do seen.push(await slower.provider.training(ref, signal));
    while (seen.at(-1)?.state !== 'DONE');
    expect(Date.now() - startedMs).toBeGreaterThanOrEqual(600);
    const states = [...new Set(seen.map(({ state }) => state))];
    // PENDING is short: a busy machine may not see it.
    expect(states.filter((state) => state !== 'PENDING')).toEqual(['RUNNING', 'DONE']);
    expect(states.indexOf('PENDING')).toBeLessThanOrEqual(0);
    const progress = seen.flatMap((one) => (one.state === 'RUNNING' ? [one.progress ?? -1] : []));
    expect(progress).toEqual([...progress].sort((a, b) => a - b));
    await slower.stop();
  });

  it('fetch every photo once, at submission', async () => {
    const urls = await host.heads(7, 90);
    host.fetched.length = 0;
    await calls.train(urls);
    expect([...host.fetched].sort()).toEqual(urls.map((url) => new URL(url).pathname).sort());
  });

  it('end as IMAGE_NOT_VALID when a photo cannot be decoded', async () => {
    const urls = await host.heads(4, 20);
    const [whole] = await Promise.all(urls.slice(0, 1).map(fetchBytes));
    const broken = [
      host.put('/broken.jpg', whole!.subarray(0, 2_000)),
      host.put('/noise.jpg', 'this is no JPEG'),
      host.put('/anim.gif', await sharp(whole).gif().toBuffer(), 'image/gif'),
    ];
    for (const url of broken) {
      const ref = await calls.train([...urls, url]);
      await expect(calls.trainingEnd(ref)).resolves.toMatchObject({ state: 'FAILED', code: 'PHOTO_INVALID' });
    }
  });
});

describe('sandbox pictures', () => {
  let model: string;

  beforeAll(async () => {
    model = await calls.trained(await host.heads(5, 200));
  });

  it.each(sandboxStyles.map(({ id }) => id))(
    'are squares of 512 with a banner, in style %s',
    async (style) => {
      const picture = await calls.picture(model, style, 'by the sea');
      await expect(sharp(picture).metadata()).resolves.toMatchObject({
        format: 'jpeg',
        width: 512,
        height: 512,
      });
      await expect(bannerPixels(picture)).resolves.toBeGreaterThan(100);
    },
  );

  it('differ by style, by prompt and from one to the next', async () => {
    const results = await calls.results(model, 'noir', 'in the rain', 2);
    const pictures = [
      ...(await Promise.all(results.map(({ url }) => fetchBytes(url)))),
      await calls.picture(model, 'noir', 'in the sun'),
      await calls.picture(model, 'anime', 'in the rain'),
      await calls.picture(model, 'sketch', 'in the rain'),
    ];
    for (const [i, one] of pictures.entries()) {
      for (const other of pictures.slice(i + 1))
        await expect(distance(one, other)).resolves.toBeGreaterThan(2);
    }
  });

  it('are derived from the photos', async () => {
    const other = await calls.trained(await host.heads(5, 0));
    const [blue, red] = await Promise.all([model, other].map((ref) => calls.picture(ref, 'realistic')));
    const [blueMean, redMean] = [await upperMean(blue!), await upperMean(red!)];
    expect(blueMean.blue).toBeGreaterThan(redMean.blue + 20);
    expect(redMean.red).toBeGreaterThan(blueMean.red + 20);
  });

  it('stay the same when they are fetched again', async () => {
    const [result] = await calls.results(model, 'watercolor', 'twice');
    expect(await fetchBytes(result!.url)).toEqual(await fetchBytes(result!.url));
  });

  it('are in the order of the prompts, with unguessable URLs', async () => {
    const prompts = [
      { style: 'pixel', count: 2 },
      { style: 'noir', count: 1 },
    ];
    const { ref } = await calls.provider.generate({ modelRef: model, prompts }, signal);
    const results = resultsOf(await calls.generationEnd(model, ref));
    expect(results).toHaveLength(3);
    expect(results[0]!.url).toMatch(/\/results\/[\w-]{32}\/0\.jpg$/);
    expect(calls.provider.trustsHost(new URL(results[0]!.url).hostname)).toBe(true);
    const greys = await Promise.all(results.map(async ({ url }) => colourfulness(await fetchBytes(url))));
    expect(greys[2]).toBeLessThan(4);
    expect(Math.min(greys[0]!, greys[1]!)).toBeGreaterThan(10);
  });

  it('can be made from one photo, four times as large, in the style that the prompt names', async () => {
    const [photoUrl] = await host.heads(1, 300);
    const request = { photoUrl: photoUrl!, prompt: 'a noir detective', negativePrompt: 'hat', count: 2 };
    const { ref } = await calls.provider.generateInstant(request, signal);
    const results = resultsOf(await calls.generationEnd(null, ref));
    expect(results).toHaveLength(2);
    const picture = await fetchBytes(results[0]!.url);
    await expect(sharp(picture).metadata()).resolves.toMatchObject({
      format: 'jpeg',
      width: 2048,
      height: 2048,
    });
    expect(await colourfulness(picture)).toBeLessThan(4);
  });

  it('expire after 48 hours', async () => {
    const hasty = await SandboxCalls.start({ speed: 48 * 3_600 });
    const ref = await hasty.trained(await host.heads(5, 200));
    const [result] = await hasty.results(ref, 'noir');
    expect((await fetch(result!.url)).status).toBe(200);
    let status = 200;
    while (status === 200) status = (await fetch(result!.url)).status;
    expect(status).toBe(404);
    await hasty.stop();
  });
});

describe('sandbox provider', () => {
  it('has the styles of the sandbox and the waits of its speed', () => {
    const { facts, name } = calls.provider;
    expect(name).toBe('sandbox');
    expect(facts.styles.length).toBeGreaterThanOrEqual(6);
    expect(facts.trainingDuration.maxMs).toBe(1_200_000 / fastSpeed);
    expect(facts.resultTtlMs).toBe(172_800_000 / fastSpeed);
    expect(facts.photoFetchMs).toBeGreaterThanOrEqual(60_000);
  });

  it('counts what was executed', async () => {
    const fresh = await SandboxCalls.start();
    const ref = await fresh.trained(await host.heads(5, 200));
    await fresh.results(ref, 'noir');
    await expect(fresh.sandbox.counts()).resolves.toMatchObject({
      trainings: 1,
      generations: 1,
      instants: 0,
      calls: { train: 1, generate: 1 },
      limited: 0,
    });
    await fresh.stop();
  });
});

/** Pixels in the yellow of the banner. */
async function bannerPixels(picture: Buffer): Promise<number> {
  const strip = { left: 0, top: 480, width: 512, height: 32 };
  const bytes = await sharp(picture).extract(strip).raw().toBuffer();
  let count = 0;
  for (let p = 0; p < bytes.length; p += 3) {
    if (bytes[p]! > 200 && bytes[p + 1]! > 150 && bytes[p + 2]! < 150) count += 1;
  }
  return count;
}

/** The mean difference of two pictures' upper parts, which have no text. */
async function distance(one: Buffer, other: Buffer): Promise<number> {
  const [a, b] = await Promise.all([one, other].map(upperPixels));
  return a!.reduce((sum, value, i) => sum + Math.abs(value - b![i]!), 0) / a!.length;
}

async function upperPixels(picture: Buffer): Promise<Buffer> {
  return sharp(picture).extract({ left: 0, top: 0, width: 512, height: 440 }).raw().toBuffer();
}

async function upperMean(picture: Buffer): Promise<{ red: number; blue: number }> {
  const { channels } = await sharp(
    await sharp(picture).extract({ left: 60, top: 60, width: 392, height: 380 }).toBuffer(),
  ).stats();
  return { red: channels[0]!.mean, blue: channels[2]!.mean };
}

/** The difference between the channels; nearly 0 for a grey picture. */
async function colourfulness(picture: Buffer): Promise<number> {
  const bytes = await sharp(await sharp(picture).resize(512, 512).toBuffer())
    .extract({ left: 60, top: 60, width: 392, height: 360 })
    .raw()
    .toBuffer();
  let sum = 0;
  for (let p = 0; p < bytes.length; p += 3) sum += Math.abs(bytes[p]! - bytes[p + 1]!);
  return sum / (bytes.length / 3);
}
