import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

const project = resolve(__dirname, '../..');

/**
 * Creates an empty folder for programs, in which the packages of the client tests are found, and those of the project. It is
 * outside of the project: its links would lead back into it, without an end, if a run that was stopped left them there.
 */
export async function createProgramFolder(): Promise<string> {
  const outer = await mkdtemp(join(tmpdir(), 'likeness-programs-'));
  const packages = join(outer, 'packages');
  const folder = join(packages, 'programs');
  await mkdir(folder, { recursive: true });
  await symlink(join(project, 'node_modules'), join(outer, 'node_modules'));
  await symlink(join(project, 'test/clients/node_modules'), join(packages, 'node_modules'));
  return folder;
}

/** Removes such a folder. */
export async function removeProgramFolder(folder: string): Promise<void> {
  await rm(dirname(dirname(folder)), { recursive: true, force: true });
}
