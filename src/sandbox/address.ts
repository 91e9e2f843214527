import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { link, mkdir, rm, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import { type AddressInfo, isIPv6 } from 'node:net';
import { join } from 'node:path';
import { z } from 'zod';
import { readFileIfAny, replaceFile } from './store';

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

/** Reads the address of a folder; null if there is no folder or it has none yet. */
export async function readAddress(folder: string | undefined): Promise<Address | null> {
  const text = folder === undefined ? null : await readFileIfAny(fileIn(folder));
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

/**
 * Creates a server that listens.
 * @param port - 0 for any free port
 * @returns null if the port is taken
 */
export async function listen(host: string, port: number, onRequest: RequestListener): Promise<Server | null> {
  const server = createServer(onRequest);
  try {
    server.listen(port, host);
    await once(server, 'listening');
    return server;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return null;
    throw error;
  }
}

/** The port on which a server listens. */
export function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

/** The URL of a server for callers on this machine. */
export function urlOf(host: string, port: number): string {
  const everywhere = new Map([
    ['0.0.0.0', '127.0.0.1'],
    ['::', '::1'],
  ]);
  const name = everywhere.get(host) ?? host;
  return `http://${isIPv6(name) ? `[${name}]` : name}:${port}`;
}

/** Closes a server and all its connections, including those with unanswered requests. */
export async function close(server: Server): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
}
