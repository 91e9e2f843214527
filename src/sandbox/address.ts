import { randomBytes, randomUUID } from 'node:crypto';
import { link, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { readFileIfAny, replaceFile } from './files';

/** Where a sandbox with a folder is found: the same before and after a crash, so that jobs go on. */
export interface Address {
  readonly port: number;
  readonly apiKey: string;
}

const addressSchema = z.object({ port: z.int().min(1).max(65_535), apiKey: z.string().min(1) });

/** A key that nobody can guess. */
export function newApiKey(): string {
  return `sandbox-${randomBytes(24).toString('base64url')}`;
}

/** The address in a folder, or null if it has none yet. */
export async function readAddress(folder: string): Promise<Address | null> {
  const text = await readFileIfAny(fileIn(folder));
  return text === null ? null : addressSchema.parse(JSON.parse(text));
}

/** Claims a folder that has no address yet; false if another process was faster. */
export async function claimAddress(folder: string, address: Address): Promise<boolean> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const aside = join(folder, `${randomUUID()}.new`);
  await writeFile(aside, JSON.stringify(address), { mode: 0o600 });
  try {
    await link(aside, fileIn(folder));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(aside, { force: true });
  }
}

/** Puts another address in the place of one that cannot be used any more. */
export async function moveAddress(folder: string, address: Address): Promise<void> {
  await replaceFile(fileIn(folder), JSON.stringify(address));
}

function fileIn(folder: string): string {
  return join(folder, 'address.json');
}
