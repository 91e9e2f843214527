import { ArgsType, Field, ID, Int, ObjectType, registerEnumType } from 'type-graphql';
import type { LedgerEntryKind } from '../accounts/ledger-entry.entity';
import { Money } from '../accounts/money.type';
import { createConnectionType, PageArgs } from '../graphql/connection';
import { DateTimeRangeInput } from '../graphql/lists';
import { Node } from '../graphql/node';
import { DateTimeScalar } from '../graphql/scalars';
import { Job } from './job.type';

const LedgerEntryKindEnum = {
  RESERVED: 'RESERVED',
  SPENT: 'SPENT',
  RELEASED: 'RELEASED',
} as const satisfies { [Kind in LedgerEntryKind]: Kind };

registerEnumType(LedgerEntryKindEnum, {
  name: 'LedgerEntryKind',
  description: 'The direction of a movement.',
  valuesConfig: {
    RESERVED: { description: 'Set aside when the request was accepted.' },
    SPENT: { description: 'Charged, or possibly charged.' },
    RELEASED: { description: 'Given back.' },
  },
});

@ObjectType({
  implements: Node,
  description:
    'One movement of money. For each attempt, RESERVED = SPENT + RELEASED once the attempt is over.',
})
export class LedgerEntry implements Node {
  @Field(() => ID, { description: 'The global id.' })
  id: string;

  @Field(() => LedgerEntryKindEnum, { description: 'The direction.' })
  kind: LedgerEntryKind;

  @Field(() => Money, { description: 'Always positive; `kind` gives the direction.' })
  amount: unknown;

  @Field(() => Job, { nullable: true, description: 'The model or generation; null if it was deleted since.' })
  job?: Node | null;

  @Field(() => Int, {
    description:
      'The attempt that the money was reserved for. Its automatic repetitions, which are made only if it was certainly not executed, are covered too.',
  })
  attempt: number;

  @Field(() => DateTimeScalar, { description: 'When the money moved.' })
  createdAt: Date;
}

/** A page of the ledger. */
export const LedgerEntryConnection = createConnectionType('LedgerEntry', () => LedgerEntry, 'ledger');

@ArgsType()
export class LedgerArgs extends PageArgs {
  @Field(() => DateTimeRangeInput, { nullable: true, description: 'By `createdAt`. Null: all entries.' })
  created?: DateTimeRangeInput | null;
}
