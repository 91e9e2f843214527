import { ArgsType, Field, ID, InputType } from 'type-graphql';
import { DomainError } from '../core/errors';
import { readInputId, type InputId, type NodeKind } from '../core/ids';
import { OneOf } from '../graphql/build-schema';
import { ResumeArgs } from '../jobs/job-progress.type';

@OneOf()
@InputType({ description: 'Whose avatars to send. Give exactly one of the fields.' })
export class AvatarStreamInput {
  @Field(() => ID, {
    nullable: true,
    description: 'The global id of a generation: send its avatars, until it ends.',
  })
  generationId?: string | null;

  @Field(() => ID, {
    nullable: true,
    description:
      'The global id of a model: send the avatars of all its generations, first the newest 100 stored ones, then each new one, until you unsubscribe.',
  })
  modelId?: string | null;
}

@ArgsType()
export class AvatarCompletedArgs extends ResumeArgs {
  @Field(() => AvatarStreamInput, {
    nullable: true,
    description: 'Which avatars. Required; null only if a deprecated argument is given.',
  })
  select?: AvatarStreamInput | null;

  @Field(() => ID, {
    nullable: true,
    description: 'The global id of a generation.',
    deprecationReason: 'Use `select.generationId`. Removed in 1.0.',
  })
  generationId?: string | null;

  @Field(() => ID, {
    nullable: true,
    description: 'The global id of a model.',
    deprecationReason: 'Use `select.modelId`. Removed in 1.0.',
  })
  modelId?: string | null;
}

/**
 * The generation or model that `avatarCompleted` follows: `select`, or a deprecated argument.
 * @throws DomainError INVALID_INPUT unless exactly one is given
 */
export function followedAvatars({ select, generationId, modelId }: AvatarCompletedArgs): InputId {
  const given: InputId[] = [];
  const add = (kind: NodeKind, globalId: string | null | undefined, field: string): void => {
    if (globalId != null) given.push(readInputId(kind, globalId, field));
  };
  add('Generation', select?.generationId, 'select.generationId');
  add('AvatarModel', select?.modelId, 'select.modelId');
  add('Generation', generationId, 'generationId');
  add('AvatarModel', modelId, 'modelId');
  const [followed] = given;
  if (followed && given.length === 1) return followed;
  throw new DomainError('INVALID_INPUT', 'Give select, with exactly one of generationId and modelId.', {
    field: given.at(-1)?.field ?? 'select',
  });
}
