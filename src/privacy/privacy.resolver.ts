import { Arg, Ctx, ID, Mutation, Query, Resolver } from 'type-graphql';
import type { ErasureEntity } from '../accounts/erasure.entity';
import type { GraphQLContext } from '../graphql/context';
import { WithoutAdmission } from '../graphql/root-admission';
import type { ErasureService } from './erasure.service';
import type { ExportService } from './export.service';
import { Erasure, ExportMyDataPayload } from './privacy.type';

/** What a person may ask of all that is kept of it. */
@Resolver()
export class PersonResolver {
  constructor(
    private readonly erasures: Pick<ErasureService, 'erase' | 'find'>,
    private readonly exports: Pick<ExportService, 'offer'>,
  ) {}

  @WithoutAdmission()
  @Mutation(() => Erasure, {
    description:
      'Erases all that you have here, for good: photos, models, generations, avatars, what was told of them, and your name in what must be kept. Nothing of it can be read from then on, running work ends, subscriptions end with NOT_FOUND, and the files of the pictures are deleted right after their rows, some thousands a second. Calling it again succeeds.',
  })
  async deleteMyData(
    @Arg('confirm', () => String, { description: 'The word `DELETE`; with anything else nothing happens.' })
    confirm: string,
    @Arg('revokeKeys', () => Boolean, {
      defaultValue: false,
      description:
        'Also revokes the API keys that stand for you alone, the one that you use now among them. Keys that act for others stay.',
    })
    revokeKeys: boolean,
    @Ctx() { viewer }: GraphQLContext,
  ): Promise<Erasure> {
    return erasureOf(await this.erasures.erase(viewer, confirm, revokeKeys));
  }

  @WithoutAdmission()
  @Query(() => Erasure, {
    nullable: true,
    description: 'An erasure by its receipt, which `deleteMyData` answered; null if there is none.',
  })
  async erasure(
    @Arg('receipt', () => ID, { description: 'As `deleteMyData` answered it.' }) receipt: string,
  ): Promise<Erasure | null> {
    const found = await this.erasures.find(receipt);
    return found && erasureOf(found);
  }

  @Mutation(() => ExportMyDataPayload, {
    description:
      'Gives you everything that is kept of you in one archive: all data as JSON, all avatars, and the photos that are not deleted yet.',
  })
  exportMyData(@Ctx() { viewer }: GraphQLContext): Promise<ExportMyDataPayload> {
    return this.exports.offer(viewer);
  }
}

function erasureOf(row: ErasureEntity): Erasure {
  const { id, erasedAt, completedAt, photos, models, generations, avatars } = row;
  return { receipt: id, erasedAt, completedAt, counts: { photos, models, generations, avatars } };
}
