import { setTimeout as sleep } from 'node:timers/promises';
import type { GraphQLSchema } from 'graphql';
import {
  Arg,
  Args,
  Ctx,
  Field,
  FieldResolver,
  ID,
  InputType,
  Int,
  Mutation,
  ObjectType,
  Query,
  registerEnumType,
  Resolver,
  Root,
  Subscription,
} from 'type-graphql';
import { DomainError } from '../../src/core/errors';
import { newId } from '../../src/core/ids';
import { buildAppSchema, resolverOf } from '../../src/graphql/build-schema';
import {
  createConnectionType,
  PageArgs,
  readPage,
  toConnection,
  type Connection,
} from '../../src/graphql/connection';
import type { GraphQLContext } from '../../src/graphql/context';
import { UrlScalar } from '../../src/graphql/scalars';

enum Kind {
  MAN = 'MAN',
  CAT = 'CAT',
}
registerEnumType(Kind, { name: 'Kind', description: 'A kind.' });

@InputType({ description: 'What to train from.' })
class TrainInput {
  @Field(() => Kind, { description: 'The kind.' })
  type: Kind;

  @Field(() => [UrlScalar], { nullable: true, description: 'Addresses.' })
  photoUrls?: string[];
}

@ObjectType('Thing', { description: 'A thing that holds things.' })
class ThingType {
  @Field(() => ID, { description: 'Its id.' })
  id: string;
}

const ThingConnection = createConnectionType('Thing', () => ThingType);

/** Calls that the resolvers recorded. */
export interface Witness {
  trained: string[];
  /** The number of loads that a data loader ran. */
  reads: number;
  /** The open subscriptions. */
  open: number;
}

/** A schema with one element of each kind that the transports carry. */
@Resolver(() => ThingType)
class TinyResolver {
  constructor(private readonly witness: Witness) {}

  @Query(() => String, { description: 'Says hello.' })
  greeting(@Arg('name', () => String, { nullable: true, description: 'To whom.' }) name?: string): string {
    return `Hello ${name ?? 'world'}`;
  }

  @Query(() => String, { description: 'Who asks.' })
  owner(@Ctx() { viewer }: GraphQLContext): string {
    return viewer.owner;
  }

  @Query(() => ThingConnection, { description: 'Things.' })
  things(@Args(() => PageArgs) args: PageArgs): Connection<ThingType> {
    return toConnection([{ id: newId() }], readPage(args), {
      count: () => Promise.resolve(1),
      hasOthers: () => Promise.resolve(false),
    });
  }

  @FieldResolver(() => ThingConnection, { name: 'things', description: 'Things within.' })
  within(@Args(() => PageArgs) args: PageArgs): Connection<ThingType> {
    return this.things(args);
  }

  @Query(() => ThingType, { description: 'A thing.' })
  thing(@Arg('kind', () => Kind, { nullable: true, description: 'Which.' }) _kind?: Kind): ThingType {
    return { id: newId() };
  }

  @Query(() => String, { description: 'Fails with an error that must be masked.' })
  broken(): string {
    throw Object.assign(new Error('duplicate key in SELECT secret'), { parameters: ['a prompt'] });
  }

  @Query(() => String, { description: 'Refuses.' })
  refused(): string {
    throw new DomainError('TOO_FEW_PHOTOS', 'There are 4 photos; at least 5 are needed.', {
      field: 'input.photoIds',
      details: { given: 4, minimum: 5 },
    });
  }

  @Query(() => String, { description: 'Takes its time.' })
  async slow(@Arg('ms', () => Int, { description: 'How long.' }) ms: number): Promise<string> {
    await sleep(ms);
    return 'done';
  }

  @Mutation(() => String, { description: 'Pays.' })
  trainModel(@Arg('input', () => TrainInput, { description: 'From what.' }) input: TrainInput): string {
    this.witness.trained.push(input.type);
    return input.type;
  }

  @Subscription(() => Int, {
    description: 'Counts down to 1.',
    subscribe: ({ args, info }) => resolverOf(TinyResolver, info).countFrom((args as { from: number }).from),
  })
  countdown(
    @Root() left: number,
    @Arg('from', () => Int, { description: 'From where.' }) _from: number,
  ): number {
    return left;
  }

  @Subscription(() => String, {
    description: 'Says something long, again and again.',
    subscribe: ({ info }) => resolverOf(TinyResolver, info).talk(),
  })
  flood(@Root() text: string): string {
    return text;
  }

  @Subscription(() => Int, {
    description: 'Says nothing.',
    subscribe: ({ info }) => resolverOf(TinyResolver, info).wait(),
  })
  silence(): number {
    return 0;
  }

  @Subscription(() => Int, {
    description: 'Counts reads of a loader.',
    subscribe: ({ info }) => resolverOf(TinyResolver, info).countFrom(3),
  })
  loaded(@Ctx() { loaders }: GraphQLContext): Promise<number> {
    const read = (keys: readonly string[]): Promise<number[]> => {
      this.witness.reads += 1;
      return Promise.resolve(keys.map(() => this.witness.reads));
    };
    return loaders.get<string, number>('reads', read).load('one');
  }

  @Subscription(() => Int, {
    description: 'Ends badly.',
    subscribe: ({ info }) => resolverOf(TinyResolver, info).fail(),
  })
  failing(@Root() value: number): number {
    return value;
  }

  async countFrom(from: number): Promise<AsyncGenerator<number>> {
    if (from > 1_000) throw new DomainError('INVALID_INPUT', 'Count from less.', { field: 'from' });
    return this.count(from);
  }

  private async *count(from: number): AsyncGenerator<number> {
    for (let left = from; left > 0; left -= 1) yield left;
  }

  async *talk(): AsyncGenerator<string> {
    this.witness.open += 1;
    try {
      for (;;) yield 'x'.repeat(200_000);
    } finally {
      this.witness.open -= 1;
    }
  }

  wait(): AsyncIterableIterator<never> {
    this.witness.open += 1;
    let end: (result: { done: true; value: undefined }) => void = () => undefined;
    return {
      next: () => new Promise((resolve) => (end = resolve)),
      return: () => {
        this.witness.open -= 1;
        end({ done: true, value: undefined });
        return Promise.resolve({ done: true, value: undefined });
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  async *fail(): AsyncGenerator<number> {
    yield 1;
    throw new DomainError('SUBSCRIBER_TOO_SLOW', 'Resume with your last cursor.');
  }
}

/** The schema and its recorded calls. */
export function tinySchema(): { schema: GraphQLSchema; witness: Witness } {
  const witness: Witness = { trained: [], reads: 0, open: 0 };
  return {
    schema: buildAppSchema([new TinyResolver(witness)], ({ viewer }) => Promise.resolve(viewer)),
    witness,
  };
}
