import { LedgerService } from '../accounts/ledger.service';
import type { Sql } from '../core/sql';
import { NodeResolver } from '../generations/node.resolver';
import { LedgerEntryResolver } from '../jobs/ledger-entry.resolver';
import { NoticeResolver, ViewerNoticesResolver } from '../notices/notice.resolver';
import { NoticeService } from '../notices/notice.service';
import { UncertainJobResolver } from '../operator/operator.resolver';
import { WebhookDeliveryResolver, WebhookResolver } from '../webhooks/webhook.resolver';
import type { WebhookService } from '../webhooks/webhook.service';

/** What finds the objects of each type, except those that are created here. */
type Finders = Omit<
  ConstructorParameters<typeof NodeResolver>[0],
  'Notice' | 'LedgerEntry' | 'Webhook' | 'WebhookDelivery'
>;

/** Creates the resolvers of objects by their global ids, and of what refers to objects of any type. */
export function nodeResolvers(sql: Sql, webhooks: WebhookService, finders: Finders): object[] {
  const notices = new NoticeService(sql);
  const ledger = new LedgerService(sql);
  const deliveries: Finders['Photo'] = { findMany: (...given) => webhooks.findDeliveries(...given) };
  const nodes = new NodeResolver({
    ...{ ...finders, Notice: notices, LedgerEntry: ledger },
    ...{ Webhook: webhooks, WebhookDelivery: deliveries },
  });
  return [
    nodes,
    new UncertainJobResolver((id, context) => nodes.node(id, context)),
    new LedgerEntryResolver(ledger, finders),
    new ViewerNoticesResolver(notices),
    new WebhookResolver(webhooks),
    new WebhookDeliveryResolver(),
    new NoticeResolver((ids, context) => nodes.nodes([...ids], context)),
  ];
}
