// The product's sandbox in a process of its own, so that its processor time is not that of the gateway.
// SPEED: relative to the real service.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { productFolder } from '../lib/processes.mjs';

const load = createRequire(import.meta.url);
const { startSandbox } = load(join(productFolder, 'dist/sandbox/sandbox.js'));
const { PORT, SPEED, KEY } = process.env;
const sandbox = await startSandbox({ port: Number(PORT), speed: Number(SPEED), apiKey: KEY });
process.once('SIGTERM', () => void sandbox.stop().then(() => process.exit()));
console.log('ready');
