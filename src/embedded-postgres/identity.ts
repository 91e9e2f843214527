import { readFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import type { Binaries } from './binaries';
import { EmbeddedPostgresError } from './errors';
import { run, type Command } from './process';

/** A user of this machine, by uid and gid. */
export interface User {
  uid: number;
  gid: number;
}

/** The user that runs PostgreSQL's programs, which refuse to run as root. */
export interface Identity {
  /** A description for messages. */
  name: string;
  /** The command prefix that runs a program as this user. */
  prefix: readonly string[];
  /** The owner that the files must have; undefined if they stay the caller's. */
  owner?: User;
}

const asCaller: Identity = { name: 'this user', prefix: [] };

/** Maximum duration of a probe, in milliseconds; it typically takes 10. */
const probeTimeoutMs = 10_000;

/**
 * Chooses the user that runs PostgreSQL. A user other than root runs it directly. For root, the first of these that
 * works:
 *
 * 1. the owner of the data, if that is not root: an earlier start was by that user;
 * 2. a user namespace that maps root to `nobody`: no user is needed and the files stay root's;
 * 3. without namespaces, as in most containers: the users `postgres` or `nobody`; and if these cannot reach the folders
 *    because they are below private ones (`/root`), with the one capability that permits it.
 *
 * @param reach - the folder that must be accessible: the data, or its future parent
 * @param dataOwner - the owner of the data, if they exist
 * @throws EmbeddedPostgresError if none works
 */
export async function chooseIdentity(
  binaries: Binaries,
  reach: string,
  dataOwner: User | null,
): Promise<Identity> {
  const isRoot = process.getuid?.() === 0;
  if (!isRoot && hasName()) return asCaller;
  const candidates = isRoot ? await rootCandidates(dataOwner) : [inNamespace(await user('nobody')), asCaller];
  const refusals: string[] = [];
  for (const identity of candidates) {
    const script = 'cd "$1" && exec "$2" --version';
    const probe = withIdentity(identity, ['/bin/sh', '-c', script, 'sh', reach, binaries.postgres]);
    const { isDone, output } = await run(probe, binaries.env, probeTimeoutMs);
    if (isDone) return identity;
    refusals.push(`as ${identity.name}: ${output.slice(0, 200)}`);
  }
  throw new EmbeddedPostgresError(
    `PostgreSQL does not run as root, and no other user could be used. Start Likeness as a user other than root that owns ${reach} ` +
      '(change the owner with chown -R), set DATA_DIR to a folder that such a user can access, or set DATABASE_URL to another PostgreSQL.\n' +
      `Tried ${refusals.join('\nTried ')}`,
  );
}

/** The command, run as this user. */
export function withIdentity(identity: Identity, command: Command): Command {
  const [program = command[0], ...args] = [...identity.prefix, ...command];
  return [program, ...args];
}

async function rootCandidates(dataOwner: User | null): Promise<Identity[]> {
  if (dataOwner !== null && dataOwner.uid !== 0) {
    const name = 'the owner of the data';
    return [asUser(name, dataOwner), pastPrivateFolders(name, dataOwner)];
  }
  const unprivileged = await user('nobody');
  if (dataOwner !== null) return [inNamespace(unprivileged)];
  const postgres = await user('postgres');
  return [
    inNamespace(unprivileged),
    ...(postgres ? [asUser('user postgres', postgres)] : []),
    ...(unprivileged
      ? [asUser('user nobody', unprivileged), pastPrivateFolders('user nobody', unprivileged)]
      : []),
  ];
}

/** The caller under another uid. initdb requires a user with a name, so the uid of an existing one is used. */
function inNamespace(unprivileged: User | null): Identity {
  const { uid, gid } = unprivileged ?? { uid: 65_534, gid: 65_534 };
  return {
    name: 'nobody in a user namespace',
    prefix: ['unshare', '--user', `--map-user=${uid}`, `--map-group=${gid}`, '--'],
  };
}

function asUser(name: string, owner: User, options: readonly string[] = []): Identity {
  const { uid, gid } = owner;
  const becoming = [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups'];
  return { name, prefix: ['setpriv', ...becoming, ...options, '--'], owner };
}

function pastPrivateFolders(name: string, owner: User): Identity {
  return asUser(`${name} with CAP_DAC_OVERRIDE`, owner, [
    '--securebits=+no_setuid_fixup',
    '--inh-caps=+dac_override',
    '--ambient-caps=+dac_override',
  ]);
}

async function user(name: string): Promise<User | null> {
  const list = await readFile('/etc/passwd', 'utf8').catch(() => '');
  const fields = list
    .split('\n')
    .map((line) => line.split(':'))
    .find((line) => line[0] === name);
  return fields === undefined ? null : { uid: Number(fields[2]), gid: Number(fields[3]) };
}

/** Containers started with a numeric user have no user name, which initdb requires. */
function hasName(): boolean {
  try {
    return userInfo().username !== '';
  } catch {
    return false;
  }
}
