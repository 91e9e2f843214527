import { Arg, Ctx, Mutation, Resolver } from 'type-graphql';
import type { BulkResult } from '../core/bulk-changes';
import type { GraphQLContext } from '../graphql/context';
import { ForReaders } from '../graphql/root-fields';
import type { AvatarBulkService } from './avatar-bulk.service';
import {
  DeleteAvatarsInput,
  DeleteAvatarsPayload,
  DownloadAvatarsInput,
  DownloadAvatarsPayload,
  selectedAvatars,
} from './avatar-bulk.type';
import type { AvatarDownloadService } from './avatar-download.service';
import { variantOf } from './avatar-variant';

/** The mutations of several avatars. */
@Resolver()
export class AvatarBulkResolver {
  constructor(
    private readonly service: AvatarBulkService,
    private readonly downloads: AvatarDownloadService,
  ) {}

  @ForReaders()
  @Mutation(() => DownloadAvatarsPayload, {
    nullable: true,
    description:
      'Returns a URL, valid for an hour, of a ZIP archive with the pictures of avatars, the originals unless you name a size or format. The names of its files say style and prompt. Requires only the scope READ. Errors: NOT_FOUND, also if no avatar matches; INVALID_INPUT for too many; RATE_LIMITED if you have too many valid URLs.',
  })
  async downloadAvatars(
    @Arg('input', () => DownloadAvatarsInput, { description: 'Which avatars, and their size and format.' })
    { select, size, format }: DownloadAvatarsInput,
    @Ctx() { viewer }: GraphQLContext,
  ): Promise<DownloadAvatarsPayload> {
    return this.downloads.offer(viewer, selectedAvatars(select), variantOf(size, format ?? null));
  }

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
