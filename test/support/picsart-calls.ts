import { createLogger } from '../../src/core/logger';
import { PicsartProvider } from '../../src/upstream/picsart/picsart-provider';
import { UpstreamError, type Accepted, type UpstreamState } from '../../src/upstream/provider';
import { FakeUpstream, type Script } from './fake-upstream';

/** The key that the provider under test sends. */
export const apiKey = 'key-of-the-test-8c1f';

/** The time limit of the provider under test for submissions and polls, in milliseconds. */
export const timeoutMs = 300;

const signal = new AbortController().signal;

/** A provider for a base URL. The caller stops it. */
export function providerAt(baseUrl: string): PicsartProvider {
  return new PicsartProvider({
    name: 'picsart',
    baseUrl,
    apiKey,
    submitTimeoutMs: timeoutMs,
    pollTimeoutMs: timeoutMs,
    pollConnections: 1,
    speed: 1,
    logger: createLogger('silent'),
  });
}

/** A fake upstream, a provider for it, and one call of each kind. */
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

  /** The state of a training read from a response. */
  async trainingBy(script: Script): Promise<UpstreamState> {
    this.upstream.next(script);
    return this.training();
  }

  /** The state of a generation read from a response. */
  async generationBy(script: Script): Promise<UpstreamState> {
    this.upstream.next(script);
    return this.generation();
  }

  /** The error of a training's submission for a response. */
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
