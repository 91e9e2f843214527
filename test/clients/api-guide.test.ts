import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { TestGateway } from '../support/gateway';
import { facePhoto } from '../support/pictures';
import { createProgramFolder, removeProgramFolder } from '../support/program-folder';

const run = promisify(execFile);
const guide = resolve(__dirname, '../../docs/api.md');

let folder: string;
let gateway: TestGateway;

/** The code blocks of a language between two headings, as one program for the gateway of this file. */
async function program(language: string, from: string, to?: string): Promise<string> {
  const text = await readFile(guide, 'utf8');
  const part = text.slice(
    text.indexOf(`\n${from}\n`),
    to === undefined ? undefined : text.indexOf(`\n${to}\n`),
  );
  const blocks = Array.from(part.matchAll(/^```(\w+)\n([^]*?)^```$/gm));
  const code = blocks.filter(([, name]) => name === language).map(([, , block]) => block!);
  return code.join('\n').replaceAll('http://127.0.0.1:4000', gateway.url);
}

beforeAll(async () => {
  folder = await createProgramFolder();
  await mkdir(join(folder, 'photos'));
  for (let seed = 1; seed <= 5; seed += 1) {
    await writeFile(join(folder, `photos/${seed}.jpg`), await facePhoto(seed, { width: 640 }));
  }
  gateway = await TestGateway.start({ SANDBOX_SPEED: '600' });
}, 60_000);

afterAll(async () => {
  // First, since the gateway is missing if its start has failed.
  await removeProgramFolder(folder);
  await gateway.stop();
});

describe('docs/api.md', () => {
  it('has commands that make avatars', async () => {
    const begin = await program('sh', '## Authentication', '## Walkthrough in JavaScript');
    const { stdout } = await run('bash', ['-euc', begin], { cwd: folder });
    expect(stdout).toContain('"status":"READY"');
    const names = await readdir(folder);
    expect(names.sort()).toEqual(['0-realistic.jpg', '1-realistic.jpg', '2-watercolor.jpg', 'photos']);
  }, 120_000);

  it('has a program that makes avatars, and does everything else that the page describes', async () => {
    const before = await gateway.sandbox.counts();
    const code = await program('js', '## Walkthrough in JavaScript');
    const prelude = `
      import { readFileSync } from 'node:fs';
      import { WebSocket } from 'ws';
      globalThis.WebSocket ??= WebSocket;
      const names = [1, 2, 3, 4, 5].map((name) => \`photos/\${name}.jpg\`);
      const files = names.map((name) => new File([readFileSync(name)], name.slice(7), { type: 'image/jpeg' }));
    `;
    const end = 'await sockets.dispose(); console.log(archive.byteLength > 1000);';
    await writeFile(join(folder, 'guide.mjs'), `${prelude}\n${code}\n${end}`);
    const { stdout } = await run(process.execPath, ['guide.mjs'], { cwd: folder });
    const lines = stdout.trim().split('\n');
    expect(lines).toContain('100 % READY');
    expect(lines).toContain('COMPLETED');
    expect(lines).toContain('true');
    expect(lines.at(-1)).toBe('true');
    expect(stdout).toContain('TOO_FEW_PHOTOS input.photos');
    const { trainings } = await gateway.sandbox.counts();
    // The second one, which both repetitions ask for, may be cancelled before it is submitted.
    expect(trainings - before.trainings).toBeLessThanOrEqual(2);
  }, 120_000);
});
