import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import promises from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createBackupFolder } from '../../src/cli/backup-manifest';
import { createFolder, createFolderSync } from '../../src/core/folders';

describe('a folder', () => {
  let root: string;

  beforeEach(() => (root = mkdtempSync(join(tmpdir(), 'likeness-folders-'))));
  afterEach(() => rmSync(root, { recursive: true }));

  it.each([
    ['asynchronously', createFolder],
    ['synchronously', async (path: string) => createFolderSync(path)],
  ])('is created with its parents, repeatedly and at the same time, %s', async (_, create) => {
    const path = join(root, 'a/b/c');
    await Promise.all([create(path), create(path), create(join(root, 'a/b'))]);
    await create(path);
    expect(statSync(path).mode & 0o777).toBe(0o700);
    writeFileSync(join(root, 'file'), '');
    for (const below of ['file', 'file/below/it'])
      await expect(create(join(root, below))).rejects.toMatchObject({
        code: expect.stringMatching(/EEXIST|ENOTDIR/),
      });
  });

  it('reports the first folder that was created', async () => {
    expect(await createFolder(join(root, 'a/b'))).toBe(join(root, 'a'));
    expect(await createFolder(join(root, 'a/b'))).toBeUndefined();
    expect(await createFolder(join(root, 'a/b/c'), 0o755)).toBe(join(root, 'a/b/c'));
  });

  it('in /proc fails at once', async () => {
    // Node's own recursive creation never ends there.
    const paths = ['/proc/likeness', '/proc/likeness/data', '/proc/self/fd/likeness'];
    for (const path of process.platform === 'linux' ? paths : []) {
      await expect(createFolder(path)).rejects.toMatchObject({ code: 'ENOENT' });
      expect(() => createFolderSync(path)).toThrow(expect.objectContaining({ code: 'ENOENT' }));
    }
  });

  it.each(['', 'tables'])('"%s" of a backup is named if a full disk refuses it', async (part) => {
    const refused = join(root, 'backup', part);
    const { mkdir } = promises;
    const spy = jest.spyOn(promises, 'mkdir').mockImplementation((path, options) => {
      if (path === refused) return Promise.reject(Object.assign(new Error('Full'), { code: 'ENOSPC' }));
      return mkdir(path, options);
    });
    try {
      await expect(createBackupFolder(join(root, 'backup'))).rejects.toThrow(
        `The folder ${refused} cannot be created: the disk is full. Free space there, or name another disk.`,
      );
    } finally {
      spy.mockRestore();
    }
  });

  it('is created by these functions only', () => {
    const sources = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('.ts'),
    );
    const recursive = /\bmkdir(Sync)?\([^;]*recursive/;
    expect(sources.filter((name) => recursive.test(readFileSync(join('src', name), 'utf8')))).toEqual([]);
  });
});
