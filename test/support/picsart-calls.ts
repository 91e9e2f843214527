import { createLogger } from '../../src/core/logger';
import { PicsartProvider } from '../../src/upstream/picsart/picsart-provider';
import { UpstreamError, type Accepted, type UpstreamState } from '../../src/upstream/provider';
import { FakeUpstream, type Script } from './fake-upstream';

/** The key that the provider under test sends. */
export const apiKey = 'key-of-the-test-8c1f';

/** Milliseconds that the provider under test waits, for submissions and polls alike. */
export const timeoutMs = 300;

const signal = new AbortController().signal;

/** A provider that is pointed at some address. Stopping it is the caller's. */
export function providerAt(baseUrl: string): PicsartProvider {
  return new PicsartProvider({
    name: 'picsart',
    baseUrl,
    apiKey,
    submitTimeoutMs: timeoutMs,
    pollTimeoutMs: timeoutMs,
    speed: 1,
    logger: createLogger('silent'),
  });
}

/** A fake upstream, a provider pointed at it, and one call of each kind. */
export class PicsartCalls {
  private constructor(
    readonly upstream: FakeUpstream,
    readonly provider: PicsartProvider,
  ) {}

  static async start(): Promise<PicsartCalls> {
    const upstream = await FakeUpstream.start();
    return new PicsartCalls(upstream, providerAt(upstream.url));
  }

  async stop(): Promise<void> {
    await this.provider.stop();
    await this.upstream.stop();
  }

  train = (): Promise<Accepted> =>
    this.provider.train({ type: 'WOMAN', photoUrls: ['https://photos.example/1?signature=s'] }, signal);

  generate = (): Promise<Accepted> =>
    this.provider.generate({ modelRef: 'm-1', prompts: [{ style: 'realistic', count: 2 }] }, signal);

  instant = (): Promise<Accepted> =>
    this.provider.generateInstant(
      { photoUrl: 'https://photos.example/1', prompt: 'a knight', count: 1 },
      signal,
    );

  training = (): Promise<UpstreamState> => this.provider.training('m-1', signal);

  generation = (): Promise<UpstreamState> =>
    this.provider.generation({ modelRef: 'm-1', ref: 'i-1' }, signal);

  instantState = (): Promise<UpstreamState> =>
    this.provider.generation({ modelRef: null, ref: 'i-1' }, signal);

  /** What a training is said to do by an answer. */
  async trainingBy(script: Script): Promise<UpstreamState> {
    this.upstream.next(script);
    return this.training();
  }

  /** What a generation is said to do by an answer. */
  async generationBy(script: Script): Promise<UpstreamState> {
    this.upstream.next(script);
    return this.generation();
  }

  /** How a training's submission fails by an answer. */
  async refusalBy(script: Script): Promise<UpstreamError> {
    this.upstream.next(script);
    return failureOf(this.train);
  }
}

/** The error of a call that must fail. */
export async function failureOf(call: () => Promise<unknown>): Promise<UpstreamError> {
  const error: unknown = await call().then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof UpstreamError)) throw new Error('expected an UpstreamError', { cause: error });
  return error;
}
