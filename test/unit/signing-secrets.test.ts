import { linkSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { signingSecrets } from '../../src/storage/data-directory';

describe('the signing secret of a data folder', () => {
  it('stays as it is if a process with the same id was killed before it removed its draft', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'likeness-secret-'));
    const [secret] = signingSecrets([], folder);
    // As such a process of an earlier build has left it.
    linkSync(join(folder, 'signing-secret'), join(folder, `signing-secret.${process.pid}`));
    expect(signingSecrets([], folder)).toEqual([secret]);
    expect(await readdir(folder)).toHaveLength(2);
    await rm(folder, { recursive: true });
  });
});
