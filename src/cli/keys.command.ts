import { Command } from 'commander';
import { readKey } from '../accounts/api-key';
import { ApiKeyService, type ShownKey } from '../accounts/api-key.service';
import type { Scope } from '../core/viewer';
import { onGround, type OperatorGround } from './operator-ground';
import { jsonOf, tableOf } from './printout';
import { CommandError, operatorFor, readDuration, type Shell } from './shell';

interface CreateOptions {
  owner: string;
  scopes: string;
  onBehalf?: boolean;
  expires?: string;
  name?: string;
  json?: boolean;
}

/** `likeness keys …`: who may call with AUTH=keys. */
export function keysCommand(shell: Shell): Command {
  const keys = new Command('keys').description('API keys: make, list, revoke');
  keys
    .command('create')
    .description('makes a key and shows it, once')
    .requiredOption('--owner <owner>', 'whom everything made with it belongs to')
    .option('--scopes <scopes>', 'what it may do, by comma: read, write, admin', 'read,write')
    .option('--on-behalf', 'it may act for users of its owner, named by the header X-Likeness-Owner')
    .option('--expires <duration>', 'when it ends, like 90d; never, if left out')
    .option('--name <name>', 'what you call it')
    .option('--json', 'for programs')
    .action((options: CreateOptions) => onGround(shell, (ground) => create(shell, ground, options), true));
  keys
    .command('list')
    .description('all keys, the newest first')
    .option('--json', 'for programs')
    .action((options: { json?: boolean }) => onGround(shell, (ground) => list(shell, ground, options.json)));
  keys
    .command('revoke')
    .description('ends a key for good, at once; sockets that it opened are closed')
    .argument('<id>', 'the id of the key, or the key itself')
    .action((id: string) => onGround(shell, (ground) => revoke(shell, ground, id)));
  return keys;
}

async function create(shell: Shell, ground: OperatorGround, options: CreateOptions): Promise<void> {
  const { key, text } = await service(ground).create(operatorFor(options.owner), {
    owner: options.owner,
    scopes: readScopes(options.scopes),
    onBehalf: options.onBehalf === true,
    name: options.name ?? null,
    expiresInMs: options.expires === undefined ? null : readDuration(options.expires),
  });
  if (options.json) {
    shell.print(jsonOf({ ...key, key: text }));
    return;
  }
  shell.print(text);
  shell.remark(
    `Key ${key.id} of ${key.owner}, for ${key.scopes.join(' and ')}. It is shown now and never again.`,
  );
}

async function list(shell: Shell, ground: OperatorGround, asJson = false): Promise<void> {
  const keys = await service(ground).list();
  if (asJson) {
    shell.print(jsonOf(keys));
    return;
  }
  const rows = keys.map((key) => [
    key.id,
    key.owner,
    key.name,
    [...key.scopes, ...(key.onBehalf ? ['on-behalf'] : [])],
    stateOf(key),
    key.createdAt,
    key.expiresAt,
    key.lastUsedAt,
  ]);
  shell.print(tableOf(['id', 'owner', 'name', 'scopes', 'state', 'created', 'expires', 'last used'], rows));
}

async function revoke(shell: Shell, ground: OperatorGround, given: string): Promise<void> {
  const id = readKey(given)?.id ?? given;
  if (!(await service(ground).revoke(operatorFor('operator'), id))) {
    throw new CommandError('There is no key with this id; see `keys list`.');
  }
  shell.print(`Key ${id} is revoked.`);
}

function service({ database, wakeups, logger }: OperatorGround): ApiKeyService {
  return new ApiKeyService({ database, announcer: wakeups, revocations: { has: () => false }, logger });
}

function stateOf({ revokedAt, expiresAt }: ShownKey): string {
  if (revokedAt) return 'revoked';
  return expiresAt && expiresAt <= new Date() ? 'expired' : 'good';
}

function readScopes(text: string): Scope[] {
  return text.split(',').map((word) => {
    const scope = (['read', 'write', 'admin'] as const).find((known) => known === word.trim());
    if (!scope) throw new CommandError(`"${word}" is no scope; there are read, write and admin.`);
    return scope;
  });
}
