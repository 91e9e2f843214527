import { Command } from 'commander';
import { readGlobalId, toGlobalId } from '../core/ids';
import type { Sql } from '../core/sql';
import { assignKey } from '../webhooks/webhook-keys.repository';
import type { WebhookEntity } from '../webhooks/webhook.entity';
import { enableWebhook, lockWebhook, pauseWebhook } from '../webhooks/webhook.repository';
import { webhookStatuses } from '../webhooks/webhook.state';
import { statusOption } from './jobs.command';
import { jsonOf, printState, tableOf } from './printout';
import { CommandError, withDatabase, type Shell } from './shell';
import { listWebhooks, ownerOfWebhook } from './webhook-listing.repository';

const columns = [
  ...(['id', 'owner', 'status', 'disabledReason', 'host', 'pending', 'failed', 'failingSince'] as const),
  ...(['createdAt', 'keyId'] as const),
] as const;

/** `likeness webhooks …`: lists the webhooks of all owners, pauses and enables them. */
export function webhooksCommand(shell: Shell): Command {
  const webhooks = new Command('webhooks').description('webhooks of all owners: list, pause, enable');
  webhooks
    .command('list')
    .description('list webhooks, newest first')
    .option('--owner <owner>', 'only webhooks of this owner')
    .addOption(statusOption(webhookStatuses))
    .option('--json', 'print JSON')
    .action(({ owner, status, json = false }: { owner?: string; status?: string; json?: boolean }) =>
      withDatabase(shell, async ({ database }) => {
        const found = await listWebhooks(database, { owner: owner ?? null, status: status ?? null });
        const rows = found.map((webhook) => columns.map((name) => webhook[name] ?? null));
        shell.print(json ? jsonOf(found) : tableOf(columns, rows));
      }),
    );
  const change = (name: string, description: string, apply: typeof pauseWebhook): void => {
    webhooks
      .command(name)
      .description(description)
      .argument('<id>', 'the global id, webhook_…')
      .option('--json', 'print JSON')
      .action((id: string, options: { json?: boolean }) => changeWebhook(shell, id, options, apply));
  };
  change('pause', 'send nothing until it is enabled; events are kept for 24 hours', pauseWebhook);
  change(
    'enable',
    'send again, with the events of the last 24 hours, and whether or not its API key has ended',
    enableForOwner,
  );
  return webhooks;
}

/** As by its owner without an API key. */
async function enableForOwner(sql: Sql, id: string): Promise<WebhookEntity> {
  await assignKey(sql, id, null);
  return enableWebhook(sql, id);
}

function changeWebhook(
  shell: Shell,
  globalId: string,
  options: { json?: boolean },
  apply: typeof pauseWebhook,
): Promise<void> {
  const read = readGlobalId(globalId);
  if (read?.kind !== 'Webhook')
    throw new CommandError(`"${globalId}" is not the id of a webhook (example: webhook_0192…).`);
  return withDatabase(shell, async ({ database, wakeups }) => {
    const owner = await ownerOfWebhook(database, read.id);
    const changed = await database.transaction(async (sql) => {
      const locked = owner === null ? null : await lockWebhook(sql, owner, read.id);
      return locked && apply(sql, locked.id);
    });
    if (!changed) throw new CommandError('There is no webhook with this id.');
    wakeups.announce({ work: true });
    printState(shell, { id: toGlobalId('Webhook', changed.id), status: changed.status }, options);
  });
}
