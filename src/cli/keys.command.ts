import { Command } from 'commander';
import { findKey, type ApiKeyMetadata } from '../auth/api-key.repository';
import { readKey, ApiKeyService } from '../auth/api-key.service';
import type { Scope } from '../core/viewer';
import { moveWebhooks } from '../webhooks/webhook-keys.repository';
import { jsonOf, tableOf } from './printout';
import {
  CommandError,
  operatorFor,
  readLifetime,
  withDatabase,
  type Shell,
  type OperatorContext,
} from './shell';

interface CreateOptions {
  owner: string;
  scopes: string;
  onBehalf?: boolean;
  expires?: string;
  name?: string;
  json?: boolean;
}

interface RevokeOptions {
  webhooksTo?: string;
  json?: boolean;
}

/** `likeness keys …`: manages API keys for AUTH=keys. */
export function keysCommand(shell: Shell): Command {
  const keys = new Command('keys').description('API keys: create, list, revoke');
  keys
    .command('create')
    .description('create a key and print it once')
    .requiredOption('--owner <owner>', 'owner of everything created with the key')
    .option('--scopes <scopes>', 'comma-separated scopes: read, write, admin', 'read,write')
    .option(
      '--on-behalf',
      'allow the key to act for users of its owner, given in the header X-Likeness-Owner',
    )
    .option('--expires <duration>', 'validity, for example 90d (default: unlimited)')
    .option('--name <name>', 'a label')
    .option('--json', 'print JSON')
    .action((options: CreateOptions) =>
      withDatabase(shell, (context) => create(shell, context, options), true),
    );
  keys
    .command('list')
    .description('list all keys, newest first')
    .option('--json', 'print JSON')
    .action((options: { json?: boolean }) =>
      withDatabase(shell, (context) => list(shell, context, options.json)),
    );
  keys
    .command('revoke')
    .description('revoke a key permanently, close its open sockets and disable its webhooks')
    .argument('<id>', 'the id of the key, or the key itself')
    .option('--webhooks-to <id>', 'a key that replaces it: its webhooks continue with that key')
    .option('--json', 'print JSON')
    .action((id: string, options: RevokeOptions) =>
      withDatabase(shell, (context) => revoke(shell, context, id, options)),
    );
  return keys;
}

async function create(shell: Shell, context: OperatorContext, options: CreateOptions): Promise<void> {
  const { key, text } = await service(context).create(operatorFor(options.owner), {
    owner: options.owner,
    scopes: readScopes(options.scopes),
    onBehalf: options.onBehalf === true,
    name: options.name ?? null,
    expiresInMs: options.expires === undefined ? null : readLifetime(options.expires),
  });
  if (options.json) {
    shell.print(jsonOf({ ...key, key: text }));
    return;
  }
  shell.print(text);
  shell.remark(`Key ${key.id} of ${key.owner}, for ${key.scopes.join(' and ')}. It cannot be shown again.`);
}

async function list(shell: Shell, context: OperatorContext, asJson = false): Promise<void> {
  const keys = await service(context).list();
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

async function revoke(
  shell: Shell,
  context: OperatorContext,
  given: string,
  { webhooksTo, json = false }: RevokeOptions,
): Promise<void> {
  const id = idOf(given);
  const to = webhooksTo === undefined ? null : idOf(webhooksTo);
  const movedWebhooks = to === null ? 0 : await continueWebhooks(context, id, to);
  if (!(await service(context).revoke(operatorFor('operator'), id))) {
    throw new CommandError('There is no key with this id; see `keys list`.');
  }
  const lines = [
    ...(to === null ? [] : [`${movedWebhooks} webhooks continue with key ${to}.`]),
    `Key ${id} is revoked.`,
  ];
  shell.print(json ? jsonOf({ id, revoked: true, movedWebhooks }) : lines.join('\n'));
}

/** The id of a key that is given by its id or as a whole. */
const idOf = (given: string): string => readKey(given)?.id ?? given;

/**
 * Moves the webhooks of a key to another one that can act for the same owners.
 * @returns their number
 */
async function continueWebhooks({ database }: OperatorContext, from: string, to: string): Promise<number> {
  const [old, next] = [await findKey(database, from), await findKey(database, to)];
  if (!old || !next) throw new CommandError('There is no key with this id; see `keys list`.');
  const canReplace = next.isActive && next.owner === old.owner && next.onBehalf === old.onBehalf;
  if (!canReplace || !next.scopes.includes('read') || from === to) {
    throw new CommandError(
      `Key ${to} cannot replace key ${from}: it must be active, of the same owner, with the scope read, and act for others if and only if the other one does.`,
    );
  }
  return moveWebhooks(database, from, to);
}

function service({ database, wakeups, logger }: OperatorContext): ApiKeyService {
  return new ApiKeyService(database, wakeups, { has: () => false }, logger);
}

function stateOf({ revokedAt, expiresAt }: ApiKeyMetadata): string {
  if (revokedAt) return 'revoked';
  return expiresAt && expiresAt <= new Date() ? 'expired' : 'active';
}

function readScopes(text: string): Scope[] {
  return text.split(',').map((word) => {
    const scope = (['read', 'write', 'admin'] as const).find((known) => known === word.trim());
    if (!scope) throw new CommandError(`"${word}" is not a scope; use read, write or admin.`);
    return scope;
  });
}
