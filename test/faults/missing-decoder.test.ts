import { cp, mkdir, readdir, rm, symlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Client } from '../support/client';
import { TestDatabase } from '../support/database';
import { newDataDir } from '../support/environment';
import { GatewayProcess } from '../support/faults-process';
import { phonePhoto } from '../support/picture-bytes';
import { facePhoto } from '../support/pictures';
import { put } from '../support/raw-client';

const project = resolve(__dirname, '../..');

/** An installation without a package. */
async function installWithout(missing: string, folder: string): Promise<void> {
  const linkAll = async (part: string, except: readonly string[]): Promise<void> => {
    for (const name of await readdir(join(project, part)))
      if (!except.includes(name)) await symlink(join(project, part, name), join(folder, part, name));
  };
  await mkdir(join(folder, 'node_modules'));
  await linkAll('', ['node_modules', 'dist', '.git']);
  await linkAll('node_modules', [missing]);
  await cp(join(project, 'dist'), join(folder, 'dist'), { recursive: true });
}

describe('a gateway whose installation lacks the HEIC decoder', () => {
  it('says that the photo is not damaged, logs and counts the failure, and accepts the photo as JPEG', async () => {
    const [database, dataDir, folder] = [await TestDatabase.create(), await newDataDir(), await newDataDir()];
    await installWithout('libheif-js', folder);
    const settings = { DATABASE_URL: database.url, DATA_DIR: dataDir, GRAPHIQL: 'false' };
    const gateway = await GatewayProcess.start(settings, undefined, folder);
    try {
      const { createPhotoUploads } = await new Client(() => gateway.url).request<{
        createPhotoUploads: { uploads: { uploadUrl: string }[] };
      }>(
        `mutation { createPhotoUploads(input: { files: [{ filename: "me.heic", contentType: "image/heic", byteSize: 1000 }] }) { uploads { uploadUrl } } }`,
      );
      const { uploadUrl } = createPhotoUploads.uploads[0]!;
      expect(await put(uploadUrl, phonePhoto)).toMatchObject({
        status: 503,
        body: { code: 'SERVICE_UNAVAILABLE', message: expect.stringContaining('The photo is not damaged') },
      });
      const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
      expect(metrics).toContain('likeness_decoding_duration_seconds_count{work="photo",outcome="failed"} 1');
      expect(await put(uploadUrl, await facePhoto(1))).toMatchObject({ status: 201 });
      const lines = gateway.log.filter(({ msg }) => msg === 'HEIC photos cannot be decoded');
      expect(lines).toMatchObject([{ level: 'error' }]);
      expect(JSON.stringify(lines)).toContain("Cannot find module 'libheif-js/wasm-bundle'");
    } finally {
      await gateway.kill();
      await database.drop();
      for (const path of [dataDir, folder]) await rm(path, { recursive: true, force: true });
    }
  });
});
