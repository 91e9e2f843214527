import { Arg, Ctx, ID, Query, Resolver } from 'type-graphql';
import { DomainError } from '../core/errors';
import { readGlobalId, toGlobalId, type NodeKind } from '../core/ids';
import type { Viewer } from '../core/viewer';
import type { GraphQLContext } from '../graphql/context';
import { asNode, Node } from '../graphql/node';

/** Finds the viewer's rows with the given ids, in any order. */
type FindMany = (viewer: Viewer, ids: readonly string[]) => Promise<({ id: string } | null)[]>;

/** Maximum number of ids of `nodes`. */
export const maxNodes = 100;

/** Finds any object by its global id. */
@Resolver()
export class NodeResolver {
  constructor(private readonly finders: Readonly<Record<NodeKind, { findMany: FindMany }>>) {}

  @Query(() => Node, {
    nullable: true,
    description: 'Your object with this global id; null if you have none.',
  })
  async node(
    @Arg('id', () => ID, { description: 'The global id of an object of any type.' })
    globalId: string,
    @Ctx() { viewer }: GraphQLContext,
  ): Promise<Node | null> {
    const [found] = await this.find(viewer, [globalId]);
    return found ?? null;
  }

  @Query(() => [Node], {
    nullable: 'itemsAndList',
    description:
      'Your objects with these global ids, in the same order. An item is null where you have no object with the id; the list is null only with an error, such as INVALID_INPUT for more than 100 ids.',
  })
  async nodes(
    @Arg('ids', () => [ID], { description: 'Global ids of objects of any types.' })
    globalIds: string[],
    @Ctx() { viewer }: GraphQLContext,
  ): Promise<(Node | null)[]> {
    if (globalIds.length > maxNodes) {
      throw new DomainError(
        'INVALID_INPUT',
        `Send at most ${maxNodes} ids; ${globalIds.length} were given.`,
        {
          field: 'ids',
          details: { given: globalIds.length, maximum: maxNodes },
        },
      );
    }
    return this.find(viewer, globalIds);
  }

  /** The viewer's objects in the order of the ids; one statement for each type. */
  private async find(viewer: Viewer, globalIds: readonly string[]): Promise<(Node | null)[]> {
    const reads = globalIds.map(readGlobalId);
    const found = await Promise.all(
      (Object.keys(this.finders) as NodeKind[]).map(async (kind) => {
        const ids = [...new Set(reads.flatMap((read) => (read?.kind === kind ? [read.id] : [])))];
        const rows = ids.length > 0 ? await this.finders[kind].findMany(viewer, ids) : [];
        return rows.flatMap((row) => (row ? [[toGlobalId(kind, row.id), asNode(kind, row)] as const] : []));
      }),
    );
    const nodes = new Map(found.flat());
    return globalIds.map((id) => nodes.get(id) ?? null);
  }
}
