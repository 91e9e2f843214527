import { startSandbox, type SandboxOptions } from '../../src/sandbox/sandbox';

/** A sandbox in a separate process, to be killed: prints its URL and runs until then. */
async function main(): Promise<void> {
  const sandbox = await startSandbox(JSON.parse(process.argv[2]!) as SandboxOptions);
  process.send?.({ url: sandbox.url, apiKey: sandbox.apiKey });
}

void main();
