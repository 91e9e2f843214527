import { Arg, Ctx, ID, Mutation, Query, Resolver } from 'type-graphql';
import type { ErasureEntity } from '../accounts/erasure.entity';
import type { GraphQLContext } from '../graphql/context';
import { WithoutAdmission } from '../graphql/root-fields';
import type { ErasureService } from './erasure.service';
import type { ExportService } from './export.service';
import { Erasure, ExportMyDataPayload } from './privacy.type';

/** Erasure and export of the personal data of the viewer. */
@Resolver()
export class PrivacyResolver {
  constructor(
    private readonly erasures: Pick<ErasureService, 'erase' | 'find'>,
    private readonly exports: Pick<ExportService, 'offer'>,
  ) {}

  @WithoutAdmission()
  @Mutation(() => Erasure, {
    description:
      'Permanently erases all your data: photos, models, generations, avatars and their events. Records that must be kept no longer contain your name. From then on the data cannot be read, running jobs end, and subscriptions end with NOT_FOUND. Picture files are deleted shortly after their rows, some thousands per second. Calling it again succeeds.',
  })
  async deleteMyData(
    @Arg('confirm', () => String, {
      description: 'Must be `DELETE`; any other value is refused with INVALID_INPUT.',
    })
    confirm: string,
    @Arg('revokeKeys', () => Boolean, {
      defaultValue: false,
      description:
        'Also revokes the API keys that belong to you only, including the one used for this call. Keys that act for other owners stay valid.',
    })
    revokeKeys: boolean,
    @Ctx() { viewer }: GraphQLContext,
  ): Promise<Erasure> {
    return erasureOf(await this.erasures.erase(viewer, confirm, revokeKeys));
  }

  @WithoutAdmission()
  @Query(() => Erasure, {
    nullable: true,
    description: 'An erasure by the receipt that `deleteMyData` returned; null if the receipt is unknown.',
  })
  async erasure(
    @Arg('receipt', () => ID, { description: 'The receipt that `deleteMyData` returned.' }) receipt: string,
  ): Promise<Erasure | null> {
    const erasure = await this.erasures.find(receipt);
    return erasure && erasureOf(erasure);
  }

  @Mutation(() => ExportMyDataPayload, {
    description:
      'Exports all data stored about you as one archive: all data as JSON, all avatars, and the photos that are not deleted yet.',
  })
  exportMyData(@Ctx() { viewer }: GraphQLContext): Promise<ExportMyDataPayload> {
    return this.exports.offer(viewer);
  }
}

function erasureOf(row: ErasureEntity): Erasure {
  const { id, erasedAt, completedAt, photos, models, generations, avatars } = row;
  return { receipt: id, erasedAt, completedAt, counts: { photos, models, generations, avatars } };
}
