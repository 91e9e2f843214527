import { randomBytes, randomUUID } from 'node:crypto';
import { link, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { readFileIfAny, replaceFile } from './files';

/** The port and the key of a sandbox with a folder. They survive a crash, so that callers can continue. */
export interface Address {
  readonly port: number;
  readonly apiKey: string;
}

const addressSchema = z.object({ port: z.int().min(1).max(65_535), apiKey: z.string().min(1) });

/** A random key. */
export function newApiKey(): string {
  return `sandbox-${randomBytes(24).toString('base64url')}`;
}

/** Reads the address of a folder; null if it has none yet. */
export async function readAddress(folder: string): Promise<Address | null> {
  const text = await readFileIfAny(fileIn(folder));
  return text === null ? null : addressSchema.parse(JSON.parse(text));
}

/** Writes the first address of a folder; returns false if another process has written one. */
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

/** Replaces an address whose port another program has taken. */
export async function moveAddress(folder: string, address: Address): Promise<void> {
  await replaceFile(fileIn(folder), JSON.stringify(address));
}

function fileIn(folder: string): string {
  return join(folder, 'address.json');
}
