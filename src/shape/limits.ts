/** What a template and a filter may be, so that shaping costs no delivery more than sending it does. */

/** A template as JSON. */
export const maxTemplateBytes = 16_384
/** Containers in each other. */
export const maxTemplateDepth = 10
export const maxTemplatePaths = 100
/** What a template makes of an event: each path may stand for 256 KiB. */
export const maxShapedBytes = 524_288

export const maxFilterLength = 2_000
/** Macros such as `all` in each other. */
export const maxMacroDepth = 3
/** Steps of one evaluation: as many take some 10 ms at most, and a usual filter ten or so. */
export const maxFilterCost = 50_000
/** Instructions that a pattern of `matches` is compiled to. */
export const maxPatternSize = 500
