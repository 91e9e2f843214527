import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { codegen } from '@graphql-codegen/core';
import * as documentNodePlugin from '@graphql-codegen/typed-document-node';
import * as operationsPlugin from '@graphql-codegen/typescript-operations';
import { parse } from 'graphql';
import ts from 'typescript';
import { WebSocketServer } from 'ws';
import { documents } from '../../src/client/documents.ts';
import { freePort } from '../../src/core/free-port';
import { TestGateway } from '../support/gateway';
import { facePhoto } from '../support/pictures';
import { createProgramFolder, removeProgramFolder } from '../support/program-folder';
import { listening, stopped, TcpProxy } from '../support/servers';

type Answer = (response: ServerResponse) => void;

/** The first answers to subscriptions, one after the other: an event that is cut off, and the whole event. */
const streamAnswers: Answer[] = [
  (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write('event: next\nid: 7:1\ndata: {"data":{"trainingProgress":{"sta', () => response.destroy());
  },
  (response) => {
    const data = { trainingProgress: { cursor: '7:1', status: 'READY', progress: 100 } };
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.end(`event: next\nid: 7:1\ndata: ${JSON.stringify({ data })}\n\nevent: complete\ndata:\n\n`);
  },
];

const refusal: Answer = (response) =>
  response.writeHead(403, { 'content-type': 'text/html' }).end('<p>Sign in</p>');

/** Without the event `complete`, so that the program must end by itself. */
const errorEvent: Answer = (response) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const errors = [{ message: 'The access has ended.', extensions: { code: 'FORBIDDEN' } }];
  response.end(`event: next\ndata: ${JSON.stringify({ data: null, errors })}\n\n`);
};

const project = resolve(__dirname, '../..');
const compileRelay = createRequire(__filename)('relay-compiler') as string;
const run = promisify(execFile);

/** The folder of the programs. */
let folder: string;
let gateway: TestGateway;
let photos: string[];

const read = (name: string): Promise<string> => readFile(join(folder, name), 'utf8');

/** Writes the files of docs/clients.md: each has its name in a line before its content. */
async function extractPrograms(): Promise<void> {
  const page = await readFile(join(project, 'docs/clients.md'), 'utf8');
  const files = page.matchAll(/^`([\w.-]+)`[^\n]*:\n\n```\w+\n([^]*?)\n```$/gm);
  for (const [, name, text] of files) await writeFile(join(folder, name!), `${text!}\n`);
  await mkdir(join(folder, 'node_modules'));
  await symlink(project, join(folder, 'node_modules/likeness'));
}

interface Codegen {
  schema: string;
  documents: string;
  generates: Record<string, { plugins: string[]; config: object }>;
}

/** Generates the types of the operations as `codegen.json` says. */
async function generateOperations(): Promise<void> {
  const { schema, documents: name, generates } = JSON.parse(await read('codegen.json')) as Codegen;
  for (const [filename, { plugins, config }] of Object.entries(generates)) {
    const generated = await codegen({
      filename,
      schema: parse(await read(schema)),
      documents: [{ location: name, document: parse(await read(name)) }],
      config,
      plugins: plugins.map((plugin) => ({ [plugin]: {} })),
      pluginMap: { 'typescript-operations': operationsPlugin, 'typed-document-node': documentNodePlugin },
    });
    await writeFile(join(folder, filename), generated);
  }
}

/** Relay's compiler adds its files to the repository that it runs in, so it runs elsewhere. */
async function compileForRelay(): Promise<void> {
  const elsewhere = await mkdtemp(join(tmpdir(), 'likeness-relay-'));
  try {
    await mkdir(join(elsewhere, 'node_modules'));
    await symlink(project, join(elsewhere, 'node_modules/likeness'));
    for (const name of ['avatars.ts', 'relay.config.json'])
      await cp(join(folder, name), join(elsewhere, name));
    await run(compileRelay, ['relay.config.json'], { cwd: elsewhere, env: { PATH: process.env.PATH } });
    await cp(join(elsewhere, '__generated__'), join(folder, '__generated__'), { recursive: true });
  } finally {
    await rm(elsewhere, { recursive: true });
  }
}

beforeAll(async () => {
  folder = await createProgramFolder();
  await extractPrograms();
  await Promise.all([generateOperations(), compileForRelay()]);
  photos = [1, 2, 3, 4, 5].map((seed) => join(folder, `${seed}.jpg`));
  await Promise.all(photos.map(async (path, seed) => writeFile(path, await facePhoto(seed, { width: 640 }))));
  await writeFile(join(folder, 'broken.jpg'), 'no picture');
  // A training takes two seconds.
  gateway = await TestGateway.start({ SANDBOX_SPEED: '600' });
}, 120_000);

afterAll(async () => {
  // First, since the gateway is missing if its start has failed.
  await removeProgramFolder(folder);
  await gateway.stop();
});

/** Runs a program, breaks its connections at the first event, and returns its output. */
async function runProgram(command: string, ...args: string[]): Promise<{ code: unknown; lines: string[] }> {
  const proxy = new TcpProxy(new URL(gateway.url));
  await proxy.open();
  const child = spawn(command, [...args, ...photos, join(folder, 'broken.jpg')], {
    cwd: folder,
    env: { ...process.env, LIKENESS_URL: proxy.url.replace(/\/$/, '') },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: string[] = [];
  let isBroken = false;
  child.stderr.on('data', (chunk: Buffer) => lines.push(chunk.toString()));
  createInterface(child.stdout).on('line', (line) => {
    lines.push(line);
    if (isBroken || !line.startsWith('training')) return;
    isBroken = true;
    void proxy.close().then(() => proxy.open());
  });
  const [code] = (await once(child, 'close')) as [unknown];
  await proxy.close();
  return { code, lines };
}

/** A server that answers mutations like a gateway, without one, so that subscriptions can be answered differently. */
function likeServer(answerStream?: (request: IncomingMessage, response: ServerResponse) => void): Server {
  return createServer((request, response) => {
    request.resume();
    if (request.url === '/graphql/stream') {
      answerStream?.(request, response);
      return;
    }
    const host = request.headers.host!;
    const slot = { photo: { id: 'photo_1' }, uploadUrl: `http://${host}/uploads/1`, headers: [] };
    const data = {
      createPhotoUploads: { uploads: [slot] },
      trainModel: { model: { id: 'model_1', cursor: '7:0' } },
      generateAvatars: { generation: { id: 'generation_1' } },
    };
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ data }));
  });
}

/** Runs a program, which must fail. */
async function failureAt(
  server: Server,
  command: string,
  ...args: string[]
): Promise<Record<string, unknown>> {
  const { port } = server.address() as AddressInfo;
  const env = { ...process.env, LIKENESS_URL: `http://127.0.0.1:${port}` };
  const ended = run(command, [...args, photos[0]!], { cwd: folder, env, timeout: 90_000 });
  return ended.catch((error: unknown) => error) as Promise<Record<string, unknown>>;
}

const order = ['QUEUED', 'SUBMITTING', 'TRAINING', 'READY'];

describe('the programs of docs/clients.md', () => {
  it('have no type errors', () => {
    const options: ts.CompilerOptions = {
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      noUncheckedIndexedAccess: true,
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.ESNext,
      moduleResolution: ts.ModuleResolutionKind.Bundler,
      types: ['node'],
      typeRoots: [join(project, 'node_modules/@types')],
    };
    const programs = ['likeness.ts', 'apollo.ts', 'urql.ts', 'relay.ts'].map((name) => join(folder, name));
    const errors = ts.getPreEmitDiagnostics(ts.createProgram(programs, options));
    expect(
      errors.map(({ file, messageText }) => [
        file?.fileName,
        ts.flattenDiagnosticMessageText(messageText, '\n'),
      ]),
    ).toEqual([]);
  }, 120_000);

  it.each([
    ['likeness.ts', process.execPath, ['-r', '@swc-node/register']],
    ['apollo.ts', process.execPath, ['-r', '@swc-node/register']],
    ['urql.ts', process.execPath, ['-r', '@swc-node/register']],
    ['relay.ts', process.execPath, ['-r', '@swc-node/register']],
    ['fetch.mjs', process.execPath, []],
    ['curl.sh', 'bash', []],
  ])(
    'run the full flow across a lost connection: %s',
    async (name, command, options) => {
      const before = await gateway.sandbox.counts();
      const { code, lines } = await runProgram(command, ...options, name);
      expect([code, lines.join('\n')]).toEqual([0, expect.stringContaining('READY 100 %')]);
      const statuses = lines.flatMap((line) => /^training (\w+)/.exec(line)?.[1] ?? []);
      expect(statuses).toEqual([...statuses].sort((a, b) => order.indexOf(a) - order.indexOf(b)));
      expect(statuses.filter((status) => status === 'READY')).toHaveLength(1);
      expect(lines).toContainEqual(expect.stringMatching(/^refused broken.jpg: /));
      const urls = lines.flatMap((line) => /^avatar \S+ (http\S+)$/.exec(line)?.[1] ?? []);
      expect(new Set(urls).size).toBe(2);
      expect((await fetch(urls[0]!)).status).toBe(200);
      const { trainings, generations } = await gateway.sandbox.counts();
      expect([trainings - before.trainings, generations - before.generations]).toEqual([1, 1]);
    },
    120_000,
  );

  it.each([
    ['fetch.mjs', process.execPath, 'a refusal', refusal, { code: 1, message: '403' }],
    ['fetch.mjs', process.execPath, 'an error', errorEvent, { code: 1, message: 'The access has ended.' }],
    ['curl.sh', 'bash', 'a refusal', refusal, { code: 1, message: '403' }],
    ['curl.sh', 'bash', 'an error', errorEvent, { code: 5, message: 'The access has ended.' }],
  ])(
    '%s (%s) reads an event again that was cut off, and ends after %s',
    async (name, command, _, lastAnswer, end) => {
      const answers = [...streamAnswers, lastAnswer];
      const ids: unknown[] = [];
      const server = likeServer((request, response) => {
        ids.push(request.headers['last-event-id']);
        answers.shift()?.(response);
      });
      await listening(server);
      const { code, stdout, stderr } = await failureAt(server, command, name);
      await stopped(server);
      expect({ code, stdout }).toEqual({ code: end.code, stdout: 'training READY 100 %\n' });
      expect(stderr).toContain(end.message);
      expect(ids.filter((id) => id === '7:1')).toEqual([]);
    },
    120_000,
  );

  it('end when their socket is refused', async () => {
    const server = likeServer();
    const sockets = new WebSocketServer({ server });
    sockets.on('connection', (socket) =>
      socket.on('message', () => socket.close(4403, 'The key has expired.')),
    );
    const programs = ['apollo.ts', 'urql.ts', 'relay.ts'];
    await listening(server);
    const ends = programs.map((name) =>
      failureAt(server, process.execPath, '-r', '@swc-node/register', name),
    );
    const failures = await Promise.all(ends);
    await stopped(server);
    expect(failures.map(({ code }) => code)).toEqual([1, 1, 1]);
  }, 120_000);

  it('include one that writes an allow-list, with which a server executes only what is listed', async () => {
    const PORT = String(await freePort());
    const server = { PORT, ROLE: 'api', DATABASE_URL: gateway.databaseUrl, DATA_DIR: join(folder, 'data') };
    await mkdir(server.DATA_DIR);
    await symlink(gateway.mediaDir, join(server.DATA_DIR, 'media'));
    const env = { ...process.env, ...server };
    const { stdout } = await run('bash', ['allow-list.sh'], { cwd: folder, env });
    const [listed, another] = stdout.trim().split('\n');
    expect(listed).toMatch(/^listed: .*"uploadUrl":"http/);
    expect(another).toMatch(/^another: .*QUERY_NOT_ALLOWED/);
    expect(another).not.toContain('owner":');
    const list = JSON.parse(await read('persisted-queries.json')) as Record<string, string>;
    const own = Object.values(documents).map((document) => document.toString());
    const texts = Object.values(list);
    expect(texts.slice(0, own.length)).toEqual(own);
    const names = texts.slice(own.length).map((text) => /^\w+ (\w+)/.exec(text)?.[1]);
    expect(names).toEqual(['CreatePhotoUploads', 'Train', 'TrainingProgress', 'Generate', 'AvatarCompleted']);
  }, 120_000);
});
