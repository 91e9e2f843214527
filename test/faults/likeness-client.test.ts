import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { WebSocket } from 'ws';
import { createClient } from '../../src/client/index.ts';
import { FaultsEnvironment } from '../support/faults-environment';
import { facePhoto } from '../support/pictures';

const run = promisify(execFile);
const project = resolve(__dirname, '../..');

describe('likeness/client', () => {
  it('finishes the flow across kills of the gateway, pays once, and misses no change', async () => {
    const environment = await FaultsEnvironment.open({ maxFollowed: 0 });
    let crashes = 0;
    const crash = async (): Promise<void> => {
      await environment.gateway.kill();
      await environment.restartGateway();
    };
    const client = createClient({ url: environment.url, webSocketImpl: WebSocket, retryDelayMs: () => 50 });
    try {
      const faces = await Promise.all([1, 2, 3, 4, 5].map((seed) => facePhoto(seed, { width: 640 })));
      const files = faces.map(
        (bytes, n) => new File([new Uint8Array(bytes)], `${n}.jpg`, { type: 'image/jpeg' }),
      );
      const [results] = await Promise.all([client.upload(files), crash()]);
      const photos = results.map(({ photoId }) => ({ photoId: photoId! }));
      const model = await client.train({ type: 'WOMAN', photos });

      const seen: { status: string; cursor: string }[] = [];
      for await (const { status, isEstimate, cursor } of client.watch(model.id, { after: model.cursor })) {
        if (isEstimate) continue;
        seen.push({ status, cursor });
        // Not during the paid call, whose outcome may then be unknown.
        if (status === 'TRAINING' && crashes++ < 2) await crash();
      }
      expect(seen.at(-1)).toMatchObject({ status: 'READY' });
      expect(new Set(seen.map(({ cursor }) => cursor)).size).toBe(seen.length);

      const prompts = [{ count: 4 }];
      const generation = await client.generate({ modelId: model.id, prompts });
      const avatars: string[] = [];
      for await (const { avatar } of client.watch({ avatarsOf: generation.id })) {
        if (avatars.push(avatar.id) === 1) await crash();
      }
      expect(new Set(avatars).size).toBe(4);
      expect(avatars).toHaveLength(4);
      expect(await environment.paid()).toBe(2);
    } finally {
      await client.close();
      await environment.stop();
    }
  }, 180_000);

  it.each([
    ['an ES module', ['--input-type=module', '-e', "import { createClient } from 'likeness/client';"]],
    ['a CommonJS module', ['-e', "const { createClient } = require('likeness/client');"]],
  ])('can be imported by %s under its name, without a WebSocket', async (_what, [...args]) => {
    const use = "console.log(typeof createClient({ url: 'http://127.0.0.1:9' }).upload)";
    args.push(`${args.pop()!} ${use}`);
    expect((await run(process.execPath, args, { cwd: project })).stdout).toBe('function\n');
  });
});
