import { readFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import type { Binaries } from './binaries';
import { EmbeddedPostgresError } from './errors';
import { run, type Command } from './process';

/** A user of this machine by numbers. */
export interface User {
  uid: number;
  gid: number;
}

/** As whom PostgreSQL's programs run, since they refuse to be root. */
export interface Identity {
  /** In words, for messages. */
  name: string;
  /** What stands before a program and its arguments. */
  prefix: readonly string[];
  /** To whom the files must belong; not set where they stay the caller's own. */
  owner?: User;
}

const asCaller: Identity = { name: 'this user', prefix: [] };

/** A probe may take this long, in milliseconds; it takes some 10. */
const probeTimeoutMs = 10_000;

/**
 * Chooses as whom to run. An ordinary user runs it as himself. For root, in this order:
 *
 * 1. the owner of the data, where that is not root: somebody began as an ordinary user;
 * 2. a user namespace in which root is called `nobody`: no user is needed and the files stay root's;
 * 3. where namespaces are forbidden, as in most containers: the users `postgres` or `nobody`; and where these cannot
 *    reach the folders because they lie below private ones (`/root`), with the one capability that lets them.
 *
 * @param reach - the folder that must be reached: the data, or the folder in which it will be made
 * @param dataOwner - to whom the data belongs, if there is any yet
 * @throws EmbeddedPostgresError if nothing works
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
    const probe = [
      '/bin/sh',
      '-c',
      'cd "$1" && exec "$2" --version',
      'sh',
      reach,
      binaries.postgres,
    ] as const;
    const { isDone, output } = await run(withIdentity(identity, probe), binaries.env, probeTimeoutMs);
    if (isDone) return identity;
    refusals.push(`as ${identity.name}: ${output.slice(0, 200)}`);
  }
  throw new EmbeddedPostgresError(
    `PostgreSQL does not run as root, and no other way was open here. Start Likeness as an ordinary user that owns ${reach} ` +
      '(chown -R gives it to one), set DATA_DIR to a folder that such a user can reach, or set DATABASE_URL to a PostgreSQL of your own.\n' +
      `Tried ${refusals.join('\nTried ')}`,
  );
}

/** The command as this identity runs it. */
export function withIdentity(identity: Identity, command: Command): Command {
  const [program = command[0], ...args] = [...identity.prefix, ...command];
  return [program, ...args];
}

async function rootCandidates(dataOwner: User | null): Promise<Identity[]> {
  if (dataOwner !== null && dataOwner.uid !== 0) {
    return [
      asUser('the owner of the data', dataOwner),
      pastPrivateFolders('the owner of the data', dataOwner),
    ];
  }
  const nobody = await user('nobody');
  if (dataOwner !== null) return [inNamespace(nobody)];
  const postgres = await user('postgres');
  return [
    inNamespace(nobody),
    ...(postgres === null ? [] : [asUser('user postgres', postgres)]),
    ...(nobody === null ? [] : [asUser('user nobody', nobody), pastPrivateFolders('user nobody', nobody)]),
  ];
}

/** The caller under another number. initdb wants a user with a name, so an existing one's number is taken. */
function inNamespace(nobody: User | null): Identity {
  const { uid, gid } = nobody ?? { uid: 65_534, gid: 65_534 };
  return {
    name: 'nobody in a user namespace',
    prefix: ['unshare', '--user', `--map-user=${uid}`, `--map-group=${gid}`, '--'],
  };
}

function asUser(name: string, owner: User): Identity {
  return { name, prefix: ['setpriv', ...becoming(owner), '--'], owner };
}

function pastPrivateFolders(name: string, owner: User): Identity {
  const capability = [
    '--securebits=+no_setuid_fixup',
    '--inh-caps=+dac_override',
    '--ambient-caps=+dac_override',
  ];
  return {
    name: `${name} with CAP_DAC_OVERRIDE`,
    prefix: ['setpriv', ...becoming(owner), ...capability, '--'],
    owner,
  };
}

function becoming({ uid, gid }: User): string[] {
  return [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups'];
}

async function user(name: string): Promise<User | null> {
  const list = await readFile('/etc/passwd', 'utf8').catch(() => '');
  const fields = list
    .split('\n')
    .map((line) => line.split(':'))
    .find((line) => line[0] === name);
  return fields === undefined ? null : { uid: Number(fields[2]), gid: Number(fields[3]) };
}

/** Containers started with a bare number have a user without a name, with which initdb will not work. */
function hasName(): boolean {
  try {
    return userInfo().username !== '';
  } catch {
    return false;
  }
}
