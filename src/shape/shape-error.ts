/** Why an event cannot be brought into the shape that its webhook asks for, in words. */
export class ShapeError extends Error {
  override readonly name = 'ShapeError'
}
