"""How questions and answers travel: forms, declared parameters, renderings, HTTP."""
