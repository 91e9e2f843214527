import { Field, ID, InputType, Int, ObjectType } from 'type-graphql';
import { maxSelectedIds, type Selection } from '../core/bulk-changes';
import type { ErrorCode as DomainErrorCode } from '../core/errors';
import { readInputId, type InputId, type NodeKind } from '../core/ids';
import { ErrorCode } from './error-code.type';

@ObjectType({ description: 'An object that could not be changed.' })
export class BulkFailure {
  @Field(() => ID, { description: 'The global id of the object.' })
  id: string;

  @Field(() => ErrorCode, { description: 'Why it could not be changed.' })
  code: DomainErrorCode;

  @Field(() => String, { description: 'The same as a sentence for people.' })
  message: string;
}

/** What a bulk mutation did. */
@ObjectType({
  description:
    'What a bulk mutation did. Each object is changed on its own: if a call is interrupted, objects that were changed stay changed. A call changes up to 1,000 objects, unless the server says otherwise, and ends after a few seconds; repeat it while `hasMore`.',
})
export class BulkResult {
  @Field(() => Int, { description: 'How many objects matched when the call began.' })
  matchedCount: number;

  @Field(() => Int, { description: 'How many were changed; with `dryRun`, how many would be.' })
  changedCount: number;

  @Field(() => Boolean, { description: 'Whether more are left. Then repeat the call.' })
  hasMore: boolean;

  @Field(() => [BulkFailure], {
    description: 'Those that could not be changed, and why. The others were.',
  })
  failures: BulkFailure[];
}

/** What the payloads of bulk mutations have in common. */
@ObjectType()
export abstract class BulkPayload {
  @Field(() => BulkResult, { description: 'What was changed.' })
  result: BulkResult;
}

/** What the inputs of bulk mutations have in common. */
@InputType()
export abstract class BulkInput {
  @Field(() => Boolean, { description: 'Only count; change nothing.' })
  dryRun = false;
}

/** The description of the ids of a selection. */
export const selectedIdsDescription = `1 to ${maxSelectedIds.toLocaleString('en')} global ids.`;

/** Reads a selection. */
export function selectionOf<Filter>(
  kind: NodeKind,
  ids: readonly string[] | null | undefined,
  filter: Filter | null,
): Selection<Filter> {
  const read = (id: string, index: number): InputId => readInputId(kind, id, `input.select.ids[${index}]`);
  return { ids: ids?.map(read) ?? null, filter };
}
