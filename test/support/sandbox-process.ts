import { startSandbox, type SandboxOptions } from '../../src/sandbox/sandbox';

/** A sandbox in a process of its own, to be killed: says where it is, and lives until then. */
async function main(): Promise<void> {
  const sandbox = await startSandbox(JSON.parse(process.argv[2]!) as SandboxOptions);
  process.send?.({ url: sandbox.url, apiKey: sandbox.apiKey });
}

void main();
