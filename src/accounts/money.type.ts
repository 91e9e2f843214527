import { Field, ObjectType } from 'type-graphql';
import type { Money as MoneyValue } from '../core/money';
import { DecimalScalar } from '../graphql/scalars';

@ObjectType({ description: 'An amount of money.' })
export class Money implements MoneyValue {
  @Field(() => DecimalScalar, { description: 'The amount, for example `"0.0125"`.' })
  amount: string;

  @Field(() => String, {
    description:
      'The ISO 4217 code, or CREDITS if the provider charges credits. One server uses one currency.',
  })
  currency: string;
}
