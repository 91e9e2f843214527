import { Arg, Ctx, Mutation, Resolver } from 'type-graphql';
import type { BulkResult } from '../core/bulk-changes';
import type { GraphQLContext } from '../graphql/context';
import type { AvatarBulkService } from './avatar-bulk.service';
import { DeleteAvatarsInput, DeleteAvatarsPayload, selectedAvatars } from './avatar-bulk.type';

/** The mutations of several avatars. */
@Resolver()
export class AvatarBulkResolver {
  constructor(private readonly service: AvatarBulkService) {}

  @Mutation(() => DeleteAvatarsPayload, {
    nullable: true,
    description:
      'Permanently deletes avatars and their bytes. An avatar that no longer matches when it is its turn, for example since it has become a favorite, stays. Repeating it succeeds; unknown ids do not count. Errors: INVALID_INPUT; NOT_FOUND if an id has the form or the type of something else than an avatar.',
  })
  async deleteAvatars(
    @Arg('input', () => DeleteAvatarsInput, {
      description: 'Which avatars, and whether to count them only.',
    })
    { select, dryRun }: DeleteAvatarsInput,
    @Ctx() { viewer }: GraphQLContext,
  ): Promise<{ result: BulkResult }> {
    return { result: await this.service.delete(viewer, selectedAvatars(select), dryRun) };
  }
}
