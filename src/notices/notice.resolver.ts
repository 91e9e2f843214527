import { Args, Ctx, FieldResolver, ID, Resolver, Root } from 'type-graphql';
import { ViewerType } from '../accounts/viewer.resolver';
import { toGlobalId } from '../core/ids';
import { PageArgs, type Connection } from '../graphql/connection';
import type { GraphQLContext } from '../graphql/context';
import { connectionOf } from '../graphql/lists';
import { Node } from '../graphql/node';
import type { NoticeEntity } from './notice.entity';
import type { NoticeService } from './notice.service';
import { Notice, NoticeConnection } from './notice.type';

/** Finds the viewer's objects by their global ids, in their order; null for one that the viewer does not have. */
type FindNodes = (ids: readonly string[], context: GraphQLContext) => Promise<(Node | null)[]>;

/** The list of the viewer's notices. */
@Resolver(() => ViewerType)
export class ViewerNoticesResolver {
  constructor(private readonly service: NoticeService) {}

  @FieldResolver(() => NoticeConnection, {
    description: 'What the server wants you to know, newest first.',
  })
  notices(
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() context: GraphQLContext,
  ): Promise<Connection<NoticeEntity>> {
    return connectionOf(this.service.list, { page, orderBy: 'NEWEST', filter: {}, parent: null }, context);
  }
}

/** Fields of notices. */
@Resolver(() => Notice)
export class NoticeResolver {
  constructor(private readonly findNodes: FindNodes) {}

  @FieldResolver(() => ID)
  id(@Root() notice: NoticeEntity): string {
    return toGlobalId('Notice', notice.id);
  }

  @FieldResolver(() => Node, { nullable: true })
  async subject(@Root() { subject }: NoticeEntity, @Ctx() context: GraphQLContext): Promise<Node | null> {
    if (subject === null) return null;
    const loader = context.loaders.get<string, Node | null>('Notice.subject', (ids) =>
      this.findNodes(ids, context),
    );
    return loader.load(subject);
  }
}
