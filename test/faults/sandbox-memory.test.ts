import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Sandbox, SandboxOptions } from '../../src/sandbox/sandbox';
import { PhotoHost } from '../support/photo-host';
import { fetchBytes, SandboxCalls } from '../support/sandbox-calls';

let host: PhotoHost;
let photos: string[];
let dir: string;

beforeAll(async () => {
  host = await PhotoHost.start();
  photos = await host.heads(5, 200);
});

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sandbox of a test '));
});

afterEach(async () => {
  await rm(dir, { recursive: true, force: true });
});

afterAll(async () => {
  await host.stop();
});

const slow = { speed: 60, rateLimit: { requests: 1_000, windowMs: 1_000 } };

async function startProcess(
  options: SandboxOptions,
): Promise<{ child: ChildProcess; at: Pick<Sandbox, 'url' | 'apiKey'> }> {
  const child = fork(join(__dirname, '../support/sandbox-process.ts'), [JSON.stringify(options)], {
    execArgv: ['-r', '@swc-node/register'],
  });
  const [at] = (await once(child, 'message')) as [Pick<Sandbox, 'url' | 'apiKey'>];
  return { child, at };
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

describe('sandbox memory', () => {
  it('survives a kill -9: address, jobs, times, pictures and counts', async () => {
    const { child, at } = await startProcess({ dir, speed: 2_000 });
    const first = await SandboxCalls.start({ dir, speed: 2_000 });
    expect(first.sandbox.url).toBe(at.url);
    const model = await first.trained(photos);
    const [result] = await first.results(model, 'noir', 'before');
    const picture = await fetchBytes(result!.url);
    const running = await first.train(photos);
    await first.stop();
    await kill(child);

    const second = await SandboxCalls.start({ dir, speed: 2_000 });
    expect(second.sandbox.url).toBe(at.url);
    expect(second.sandbox.apiKey).toBe(at.apiKey);
    expect(second.provider.account).toBe(first.provider.account);
    expect(await fetchBytes(result!.url)).toEqual(picture);
    await expect(second.trainingEnd(running)).resolves.toMatchObject({ state: 'DONE' });
    await expect(second.results(running, 'anime')).resolves.toHaveLength(1);
    await expect(second.sandbox.counts()).resolves.toMatchObject({ trainings: 2, generations: 2 });
    await second.stop();
  });

  it('stays with one process when a second one starts while faults wait for its calls', async () => {
    const { child, at } = await startProcess({ dir, ...slow });
    const first = await SandboxCalls.start({ dir, ...slow });
    await first.sandbox.fault({ on: 'balance', kind: 'status', status: 500, times: 2 });
    await first.sandbox.fault({ on: 'balance', kind: 'reset-before' });
    const second = await SandboxCalls.start({ dir, ...slow });
    expect(second.sandbox.url).toBe(at.url);
    await Promise.all([first.stop(), second.stop()]);
    await kill(child);
  });

  it('is shared: one process serves, and another takes over when it is killed', async () => {
    const { child } = await startProcess({ dir, speed: 60 });
    const follower = await SandboxCalls.start({ dir, ...slow });
    const ref = await follower.train(photos);
    await kill(child);
    let word = 'gone';
    while (word === 'gone') {
      word = await follower.provider.training(ref, new AbortController().signal).then(
        ({ state }) => state,
        () => 'gone',
      );
    }
    expect(['PENDING', 'RUNNING']).toContain(word);
    await expect(follower.sandbox.counts()).resolves.toMatchObject({ trainings: 1 });
    await follower.stop();
  });

  it('has one owner when two processes start with an empty directory', async () => {
    const both = await Promise.all([
      SandboxCalls.start({ dir, ...slow }),
      SandboxCalls.start({ dir, ...slow }),
    ]);
    const [one, other] = both;
    expect(other.sandbox.url).toBe(one.sandbox.url);
    await one.train(photos);
    await expect(other.sandbox.counts()).resolves.toMatchObject({ trainings: 1 });
    await Promise.all(both.map(async (calls) => calls.stop()));
  });

  it('is cleared on request only', async () => {
    const first = await SandboxCalls.start({ dir });
    const ref = await first.trained(photos);
    await first.stop();
    const second = await SandboxCalls.start({ dir, forgetOnStart: true });
    await expect(second.trainingEnd(ref)).rejects.toMatchObject({ refusal: 'NOT_FOUND' });
    await expect(second.sandbox.counts()).resolves.toMatchObject({ trainings: 0 });
    await expect(readdir(join(dir, 'pictures'))).resolves.toEqual([]);
    expect(second.sandbox.apiKey).toBe(first.sandbox.apiKey);
    await second.stop();
  });

  it('moves to another port when its own is in use', async () => {
    const first = await SandboxCalls.start({ dir });
    const ref = await first.trained(photos);
    await first.stop();
    const otherOwner = await SandboxCalls.start({
      port: Number(new URL(first.sandbox.url).port),
      apiKey: 'other-key',
    });
    const second = await SandboxCalls.start({ dir });
    expect(second.sandbox.url).not.toBe(otherOwner.sandbox.url);
    await expect(second.trainingEnd(ref)).resolves.toMatchObject({ state: 'DONE' });
    await Promise.all([otherOwner.stop(), second.stop()]);
  });

  it('keeps only a few small copies of the photos', async () => {
    const calls = await SandboxCalls.start({ dir });
    await calls.trained(await host.heads(12, 40));
    await expect(readdir(join(dir, 'pictures'))).resolves.toHaveLength(6);
    await calls.stop();
  });
});

describe('sandbox without a directory', () => {
  it('fails on a port that is in use', async () => {
    const first = await SandboxCalls.start();
    const port = Number(new URL(first.sandbox.url).port);
    await expect(SandboxCalls.start({ port })).rejects.toThrow(`port ${port}`);
    await first.stop();
    await first.stop();
  });

  it('uses a given key', async () => {
    const calls = await SandboxCalls.start({ apiKey: 'my-key' });
    expect(calls.sandbox.apiKey).toBe('my-key');
    await expect(calls.train(photos)).resolves.not.toBe('');
    await calls.stop();
  });
});
