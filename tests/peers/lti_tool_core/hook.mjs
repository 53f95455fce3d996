// The published modules import each other without ".js", and a JSON file without its type.
export async function resolve (name, context, next) {
  if (name.startsWith('.') && name.endsWith('.json')) {
    const importAttributes = { type: 'json' }
    return { ...await next(name, { ...context, importAttributes }), importAttributes }
  }
  try {
    return await next(name, context)
  } catch (error) {
    if (!name.startsWith('.')) throw error
    try {
      return await next(`${name}.js`, context)
    } catch {
      return next(`${name}/index.js`, context)
    }
  }
}
