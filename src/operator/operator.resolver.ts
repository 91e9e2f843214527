import { FieldResolver, Int, Query, Resolver, Root } from 'type-graphql';
import { ForOperators } from '../graphql/root-fields';
import { Operator } from './operator.type';
import type { Overview } from './overview.repository';

/** Queries for operators. */
@Resolver(() => Operator)
export class OperatorResolver {
  constructor(private readonly overview: () => Promise<Overview>) {}

  @ForOperators()
  @Query(() => Operator, { description: 'The state of the gateway. Requires the scope `admin`.' })
  operator(): Promise<Operator> {
    return this.overview();
  }

  @FieldResolver(() => Int, {
    description: 'Files that are scheduled for deletion and still exist.',
    deprecationReason: 'Use pendingMediaDeletions.',
  })
  doomedMedia(@Root() { pendingMediaDeletions }: Operator): number {
    return pendingMediaDeletions;
  }
}
