"""``voxgate chat``: responses of a model on Amazon Bedrock, spoken while the model writes them."""
