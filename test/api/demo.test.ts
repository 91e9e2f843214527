import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { runProgram } from '../../src/cli/program';
import { TestGateway } from '../support/gateway';
import { facePhoto } from '../support/pictures';
import { until } from '../support/until';

let gateway: TestGateway;
let folder: string;

beforeAll(async () => {
  gateway = await TestGateway.start();
  folder = await mkdtemp(join(tmpdir(), 'likeness-demo-'));
  for (const seed of [1, 2, 3, 4, 5]) await writeFile(join(folder, `${seed}.jpg`), await facePhoto(seed));
  await writeFile(join(folder, '6.png'), 'no picture');
  await writeFile(join(folder, 'notes.txt'), 'not even by its name');
});

afterAll(async () => {
  await gateway.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Runs the demo and collects its output. */
const runDemo = (...options: string[]): { lines: string[]; code: Promise<number> } => {
  const lines: string[] = [];
  const take = (text: string): void => void lines.push(text.replace(/^\d\d:\d\d:\d\d +/, ''));
  const words = ['demo', folder, '--url', gateway.url, '--out', join(folder, 'out'), ...options];
  const code = runProgram(words, { environment: {}, print: take, remark: take });
  return { lines, code };
};

describe('the demo', () => {
  it('turns a directory of photos into avatars, across a server restart', async () => {
    const { lines, code } = runDemo('--styles', 'noir,neon', '--count', '1');
    await until(() => lines.some((line) => line.includes('TRAINING')));
    await gateway.restart();
    await until(() => lines.some((line) => line.startsWith('Generating')));
    await gateway.restart();
    expect(await code).toBe(0);

    expect(lines).toContain('taken      1.jpg');
    expect(lines.find((line) => line.startsWith('refused    6.png'))).toMatch(/JPEG/);
    expect(lines.filter((line) => line.startsWith('avatar'))).toHaveLength(2);
    expect(lines.at(-1)).toBe(`Done: 2 avatars are in ${join(folder, 'out')}`);
    for (const name of ['1-noir.jpg', '2-neon.jpg']) {
      const { width } = await sharp(await readFile(join(folder, 'out', name))).metadata();
      expect(width).toBe(512);
    }
    expect(await gateway.sandbox.counts()).toMatchObject({ trainings: 1, generations: 1 });
  });

  it('reports invalid input before any paid call', async () => {
    const unknownStyle = runDemo('--styles', 'cubism');
    expect(await unknownStyle.code).toBe(1);
    expect(unknownStyle.lines).toEqual([
      `Using the server at ${gateway.url}`,
      expect.stringContaining('Unknown style "cubism". The styles are realistic'),
    ]);

    const elsewhere = runDemo('--url', 'http://127.0.0.1:9', '--patience', '1');
    expect(await elsewhere.code).toBe(1);
    expect(elsewhere.lines.at(-1)).toContain('http://127.0.0.1:9 was unavailable for 1 s');
    expect((await gateway.sandbox.counts()).trainings).toBe(1);
  });

  it('writes the avatars of a generation that lacks some, and says so', async () => {
    await gateway.sandbox.fault({ on: 'generate', kind: 'fewer-results' });
    const { lines, code } = runDemo('--styles', 'noir', '--count', '2', '--out', join(folder, 'partial'));
    expect(await code).toBe(1);
    expect(lines.filter((line) => line.startsWith('written'))).toHaveLength(1);
    expect(lines.at(-1)).toContain('The generation has ended as PARTIAL: 1 of 2 avatars were written.');
  });

  it('reports the failure of a training', async () => {
    await gateway.sandbox.fault({ on: 'train', kind: 'failed' });
    const { lines, code } = runDemo();
    expect(await code).toBe(1);
    expect(lines.at(-1)).toContain(
      'The training has ended as FAILED. The avatar service failed to produce a result.',
    );
  });
});
