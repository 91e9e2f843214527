import { randomBytes } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The secrets that sign URLs: those of the settings, or one that is generated at the first start and stored in the
 * data folder, readable by its owner only. Processes that start concurrently use the same one.
 */
export function signingSecrets(given: readonly string[], dataDir: string): [string, ...string[]] {
  const [first, ...others] = given;
  if (first !== undefined) return [first, ...others];
  const path = join(dataDir, 'signing-secret');
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, randomBytes(32).toString('base64url'), { mode: 0o600, flush: true });
  try {
    linkSync(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(draft, { force: true });
  }
  return [readFileSync(path, 'utf8').trim()];
}
