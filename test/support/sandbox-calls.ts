import { createLogger } from '../../src/core/logger';
import { startSandbox, type Sandbox, type SandboxOptions } from '../../src/sandbox/sandbox';
import type { UpstreamResult, UpstreamState } from '../../src/upstream/provider';
import { SandboxProvider } from '../../src/upstream/sandbox/sandbox-provider';

const signal = new AbortController().signal;

/** At this speed a training takes 120 ms and a generation 6 ms; results are available for 17 s. */
export const fastSpeed = 10_000;

/** A provider for a running sandbox. The caller stops it. */
function providerFor(sandbox: Sandbox, speed: number, timeoutMs = 5_000): SandboxProvider {
  return new SandboxProvider({
    baseUrl: sandbox.url,
    apiKey: sandbox.apiKey,
    submitTimeoutMs: timeoutMs,
    pollTimeoutMs: timeoutMs,
    pollConnections: 1,
    speed,
    logger: createLogger('silent'),
  });
}

/** A sandbox with the calls of a complete flow. */
export class SandboxCalls {
  private constructor(
    readonly sandbox: Sandbox,
    readonly provider: SandboxProvider,
  ) {}

  static async start(options: SandboxOptions = {}, timeoutMs?: number): Promise<SandboxCalls> {
    const speed = options.speed ?? fastSpeed;
    const generous = { rateLimit: { requests: 1_000_000, windowMs: 60_000 } };
    const sandbox = await startSandbox({ ...generous, logger: createLogger('silent'), ...options, speed });
    return new SandboxCalls(sandbox, providerFor(sandbox, speed, timeoutMs));
  }

  async stop(): Promise<void> {
    await this.provider.stop();
    await this.sandbox.stop();
  }

  /** The reference of a newly accepted training. */
  async train(photoUrls: readonly string[]): Promise<string> {
    return (await this.provider.train({ type: 'WOMAN', photoUrls }, signal)).ref;
  }

  /** The reference of a READY model. */
  async trained(photoUrls: readonly string[]): Promise<string> {
    const ref = await this.train(photoUrls);
    const { state } = await this.trainingEnd(ref);
    if (state !== 'DONE') throw new Error(`the training ended as ${state}`);
    return ref;
  }

  /** The reference of a newly accepted generation. */
  async generate(modelRef: string, style: string, prompt?: string, count = 1): Promise<string> {
    return (await this.provider.generate({ modelRef, prompts: [{ style, prompt, count }] }, signal)).ref;
  }

  /** Polls until the training has ended. */
  async trainingEnd(ref: string): Promise<UpstreamState> {
    return ended(() => this.provider.training(ref, signal));
  }

  /** Polls until the generation has ended. */
  async generationEnd(modelRef: string | null, ref: string): Promise<UpstreamState> {
    return ended(() => this.provider.generation({ modelRef, ref }, signal));
  }

  /** The results of a generation from start to end. */
  async results(
    modelRef: string,
    style: string,
    prompt?: string,
    count = 1,
  ): Promise<readonly UsableResult[]> {
    return resultsOf(await this.generationEnd(modelRef, await this.generate(modelRef, style, prompt, count)));
  }

  /** One finished picture. */
  async picture(modelRef: string, style: string, prompt?: string): Promise<Buffer> {
    return fetchBytes((await this.results(modelRef, style, prompt))[0]!.url);
  }
}

/** A picture with a URL. */
type UsableResult = UpstreamResult & { url: string };

/** The results of a generation that must be done; each must have a URL. */
export function resultsOf(state: UpstreamState): readonly UsableResult[] {
  if (state.state !== 'DONE') throw new Error(`the generation ended as ${state.state}`);
  if (state.results.some(({ url }) => url === null)) throw new Error('a result has no URL');
  return state.results as readonly UsableResult[];
}

/** The content of a URL, which must exist. */
export async function fetchBytes(url: string): Promise<Buffer> {
  const response = await fetch(url);
  if (response.status !== 200) throw new Error(`${response.status} instead of a picture`);
  return Buffer.from(await response.arrayBuffer());
}

async function ended(ask: () => Promise<UpstreamState>): Promise<UpstreamState> {
  for (;;) {
    const state = await ask();
    if (state.state === 'DONE' || state.state === 'FAILED') return state;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
