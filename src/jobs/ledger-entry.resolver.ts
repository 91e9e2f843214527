import { Args, Ctx, FieldResolver, ID, Query, Resolver, Root } from 'type-graphql';
import type { LedgerEntryEntity } from '../accounts/ledger-entry.entity';
import type { LedgerService } from '../accounts/ledger.service';
import { Money } from '../accounts/money.type';
import { toGlobalId } from '../core/ids';
import { amountText } from '../core/money';
import type { Viewer } from '../core/viewer';
import type { Connection } from '../graphql/connection';
import type { GraphQLContext } from '../graphql/context';
import { connectionOf } from '../graphql/lists';
import { asNode, type Node } from '../graphql/node';
import type { JobKind } from './job.kind';
import { Job } from './job.type';
import { LedgerArgs, LedgerEntry, LedgerEntryConnection } from './ledger-entry.type';

/** Finds the viewer's jobs of one kind. */
export interface JobFinder {
  findMany(viewer: Viewer, ids: readonly string[]): Promise<({ id: string } | null)[]>;
}

const nodes = { model: 'AvatarModel', generation: 'Generation' } as const;

/** The amount of an entry. */
export function moneyOfEntry({ amount, currency }: Pick<LedgerEntryEntity, 'amount' | 'currency'>): Money {
  return { amount: amountText(BigInt(amount)), currency };
}

/** The ledger. */
@Resolver(() => LedgerEntry)
export class LedgerEntryResolver {
  constructor(
    private readonly service: LedgerService,
    private readonly finders: Readonly<Record<JobKind['node'], JobFinder>>,
  ) {}

  @Query(() => LedgerEntryConnection, {
    nullable: true,
    description:
      'Your entries in the ledger, newest first; empty if the operator has configured no prices. Null only with an error.',
  })
  ledger(
    @Args(() => LedgerArgs) { created, ...page }: LedgerArgs,
    @Ctx() context: GraphQLContext,
  ): Promise<Connection<LedgerEntryEntity>> {
    const query = { page, orderBy: 'NEWEST', filter: { ...created }, parent: null } as const;
    return connectionOf(this.service.list, query, context);
  }

  @FieldResolver(() => ID)
  id(@Root() { id }: LedgerEntryEntity): string {
    return toGlobalId('LedgerEntry', id);
  }

  @FieldResolver(() => Money)
  amount(@Root() entry: LedgerEntryEntity): Money {
    return moneyOfEntry(entry);
  }

  @FieldResolver(() => Job, { nullable: true })
  async job(
    @Root() { jobKind, jobId }: LedgerEntryEntity,
    @Ctx() { viewer, loaders }: GraphQLContext,
  ): Promise<Node | null> {
    if (jobId === null) return null;
    const node = nodes[jobKind];
    const found = await loaders
      .get<string, { id: string } | null>(`LedgerEntry.job ${node}`, (ids) =>
        this.finders[node].findMany(viewer, ids),
      )
      .load(jobId);
    return found && asNode(node, found);
  }
}
