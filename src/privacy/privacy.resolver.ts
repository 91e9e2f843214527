import {
  Arg,
  Ctx,
  Field,
  FieldResolver,
  ID,
  InputType,
  Int,
  Mutation,
  ObjectType,
  Query,
  Resolver,
  Root,
} from 'type-graphql';
import type { ErasureEntity } from '../accounts/erasure.entity';
import type { GraphQLContext } from '../graphql/context';
import { DeprecatedArguments } from '../graphql/deprecated-arguments';
import { WithoutAdmission } from '../graphql/root-fields';
import { DateTimeScalar, UrlScalar } from '../graphql/scalars';
import type { ErasureService } from './erasure.service';
import type { ExportService } from './export.service';

@ObjectType({ description: 'The numbers of erased objects.' })
class ErasureCounts {
  @Field(() => Int, { description: 'The number of photos, including their files.' })
  photos: number;

  @Field(() => Int, { description: 'The number of models.' })
  models: number;

  @Field(() => Int, { description: 'The number of generations.' })
  generations: number;

  @Field(() => Int, { description: 'The number of avatars, with their pictures and previews.' })
  avatars: number;
}

@ObjectType({
  description: 'The record of an erasure. It contains no personal data.',
})
class Erasure {
  @Field(() => ID, {
    description:
      'A random number of this record, which is not a global id. Keep it: the query `erasure` and the operator can find this record only by its receipt.',
  })
  receipt: string;

  @Field(() => DateTimeScalar, { description: 'The time from which the data cannot be read.' })
  erasedAt: Date;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description:
      'When the last row was deleted. The files of the pictures are deleted after their rows, some thousands a second. Null while rows are left; the erasure continues without the client.',
  })
  completedAt: Date | null;

  @Field(() => ErasureCounts, { description: 'The numbers of objects erased so far.' })
  counts: ErasureCounts;
}

@InputType()
class DeleteMyDataInput {
  @Field(() => String, { description: 'Must be `DELETE`; any other value is refused with INVALID_INPUT.' })
  confirm: string;

  @Field(() => Boolean, {
    defaultValue: false,
    description:
      'Also revokes your API keys and removes your name from them, including the one used for this call. Keys that act for other owners stay valid.',
  })
  revokeKeys: boolean;
}

@ObjectType()
class DeleteMyDataPayload {
  @Field(() => Erasure, { description: 'The record of the erasure. Keep its receipt.' })
  erasure: Erasure;
}

@ObjectType({ description: 'The download URL of an archive.' })
class ExportMyDataPayload {
  @Field(() => UrlScalar, {
    description:
      'A GET request returns a ZIP archive with `data.json`, the avatars and the photos. The archive is created during the download. Anyone who has the URL can download the archive, so keep it secret.',
  })
  url: string;

  @Field(() => DateTimeScalar, { description: 'When the URL expires: an hour after the mutation.' })
  expiresAt: Date;
}

/** The fields of `DeleteMyDataPayload` from before it had the field `erasure`. */
const movedToErasure = (field: keyof Erasure): { deprecationReason: string; description: string } => ({
  deprecationReason: `Use \`erasure.${field}\`. Removed in 1.0.`,
  description: `The same as \`erasure.${field}\`.`,
});

/** Erasure and export of the personal data of the viewer. */
@Resolver(() => DeleteMyDataPayload)
export class PrivacyResolver {
  constructor(
    private readonly erasures: Pick<ErasureService, 'erase' | 'find'>,
    private readonly exports: Pick<ExportService, 'offer'>,
  ) {}

  @WithoutAdmission()
  @DeprecatedArguments('confirm', 'revokeKeys')
  @Mutation(() => DeleteMyDataPayload, {
    nullable: true,
    description:
      'Permanently erases all your data: photos, models, generations and avatars with their files, their events, idempotency keys, quota records and export URLs; client tokens end. Kept are the audit log and the amounts, times and outcomes of paid calls, both without your name and without ids; if the server has daily quotas, today’s two totals, for two days; and your API keys, unless `revokeKeys` is true. From then on the data cannot be read, running jobs end, and subscriptions end: `activity` without an error, the others with NOT_FOUND. Files are deleted shortly after their rows, some thousands per second. Repeating it succeeds. Errors: INVALID_INPUT if `confirm` is not `DELETE`.',
  })
  async deleteMyData(
    @Arg('input', () => DeleteMyDataInput, { description: 'The confirmation.' })
    { confirm, revokeKeys }: DeleteMyDataInput,
    @Ctx() { viewer }: GraphQLContext,
  ): Promise<DeleteMyDataPayload> {
    return { erasure: erasureOf(await this.erasures.erase(viewer, confirm, revokeKeys)) };
  }

  @WithoutAdmission()
  @Query(() => Erasure, {
    nullable: true,
    description: 'An erasure by the receipt that `deleteMyData` returned; null if the receipt is unknown.',
  })
  async erasure(
    @Arg('receipt', () => ID, {
      description: 'The receipt that `deleteMyData` returned; it is not a global id.',
    })
    receipt: string,
  ): Promise<Erasure | null> {
    const erasure = await this.erasures.find(receipt);
    return erasure && erasureOf(erasure);
  }

  @Mutation(() => ExportMyDataPayload, {
    nullable: true,
    description:
      'Returns a URL that downloads all data stored about you as one archive: all data as JSON, all avatars, and the photos that are not deleted yet. Errors: RATE_LIMITED if you have too many valid URLs.',
  })
  exportMyData(@Ctx() { viewer }: GraphQLContext): Promise<ExportMyDataPayload> {
    return this.exports.offer(viewer);
  }

  @FieldResolver(() => ID, movedToErasure('receipt'))
  receipt(@Root() { erasure }: DeleteMyDataPayload): string {
    return erasure.receipt;
  }

  @FieldResolver(() => DateTimeScalar, movedToErasure('erasedAt'))
  erasedAt(@Root() { erasure }: DeleteMyDataPayload): Date {
    return erasure.erasedAt;
  }

  @FieldResolver(() => DateTimeScalar, { nullable: true, ...movedToErasure('completedAt') })
  completedAt(@Root() { erasure }: DeleteMyDataPayload): Date | null {
    return erasure.completedAt;
  }

  @FieldResolver(() => ErasureCounts, movedToErasure('counts'))
  counts(@Root() { erasure }: DeleteMyDataPayload): ErasureCounts {
    return erasure.counts;
  }
}

function erasureOf(row: ErasureEntity): Erasure {
  const { id, erasedAt, completedAt, photos, models, generations, avatars } = row;
  return { receipt: id, erasedAt, completedAt, counts: { photos, models, generations, avatars } };
}
