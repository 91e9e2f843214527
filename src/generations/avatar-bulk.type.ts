import { Field, Float, ID, InputType, Int, ObjectType } from 'type-graphql';
import type { Selection } from '../core/bulk-changes';
import { readInputId, uuidOf, type InputId, type NodeKind } from '../core/ids';
import { OneOf } from '../graphql/build-schema';
import { BulkInput, BulkPayload, selectedIdsDescription, selectionOf } from '../graphql/bulk.type';
import { DateTimeScalar, UrlScalar } from '../graphql/scalars';
import type { AvatarFilter as AvatarConditions } from './avatar.repository';
import { PictureArgs } from './avatar.type';
import { AvatarFilter, decodedAvatars } from './generation-list.input';

@OneOf()
@InputType({ description: 'Which avatars. Give exactly one of the fields.' })
export class AvatarSelectionInput {
  @Field(() => [ID], { nullable: true, description: selectedIdsDescription })
  ids?: string[] | null;

  @Field(() => ID, {
    nullable: true,
    description: 'The global id of a model: all avatars made from it.',
  })
  modelId?: string | null;

  @Field(() => ID, { nullable: true, description: 'The global id of a generation: all of its avatars.' })
  generationId?: string | null;

  @Field(() => AvatarFilter, {
    nullable: true,
    description:
      'Your avatars that match; with `{}` all of them, with `{ favorite: false }` all but your favorites.',
  })
  filter?: AvatarFilter | null;
}

@InputType()
export class DeleteAvatarsInput extends BulkInput {
  @Field(() => AvatarSelectionInput, { description: 'Which avatars.' })
  select: AvatarSelectionInput;
}

@ObjectType()
export class DeleteAvatarsPayload extends BulkPayload {}

@InputType()
export class DownloadAvatarsInput extends PictureArgs {
  @Field(() => AvatarSelectionInput, { description: 'Which avatars.' })
  select: AvatarSelectionInput;
}

@ObjectType()
export class DownloadAvatarsPayload {
  @Field(() => UrlScalar, {
    description: 'A GET streams the archive. Anyone who has the URL can download it.',
  })
  url: string;

  @Field(() => DateTimeScalar, { description: 'Until when a download can be started.' })
  expiresAt: Date;

  @Field(() => Int, { description: 'How many avatars were selected. Those deleted since are left out.' })
  avatarCount: number;

  @Field(() => Float, {
    description:
      'The size of the original pictures in bytes, a whole number that may exceed 32 bits. An archive of them is slightly larger; smaller pictures need less.',
  })
  byteSize: number;
}

/**
 * Reads a selection of avatars.
 * @throws DomainError NOT_FOUND for an id of another type or form in `modelId` or `generationId`
 */
export function selectedAvatars({
  ids,
  modelId,
  generationId,
  filter,
}: AvatarSelectionInput): Selection<AvatarConditions> {
  if (modelId != null) return { ids: null, filter: { model: parent('AvatarModel', modelId, 'modelId') } };
  if (generationId != null)
    return { ids: null, filter: { generation: parent('Generation', generationId, 'generationId') } };
  return selectionOf('Avatar', ids, filter ? decodedAvatars(filter) : null);
}

function parent(kind: NodeKind, globalId: string, name: string): InputId {
  const id = readInputId(kind, globalId, `input.select.${name}`);
  uuidOf(id);
  return id;
}
